/** How well documents answer a query: their pairs, in pieces, on a reranker. */
import { ProxyError } from "../errors.ts";
import type { Model } from "../model.ts";
import type { EmbedderHost } from "./embedder.ts";
import { MOST_INPUTS, type Ranking, type RerankRequest } from "./embedding.ts";
import { EncoderRun } from "./encoder-run.ts";
import { bytesOf, eachPiece, laneOf, piecesOf } from "./pieces.ts";

/**
 * @param arrived Clock.now() at the request's arrival, in ns
 * @throws ProxyError as Runtime.rerank
 */
export async function rerank(
  host: EmbedderHost,
  request: RerankRequest,
  model: Model,
  arrived: number,
  signal: AbortSignal,
): Promise<Ranking> {
  const { query, documents, priority } = request;
  check(request, model);
  const lane = laneOf(priority, documents, bytesOf(query));
  const decision = await host.decide(model, request, signal);
  const found = new Map<number, { readonly score: number; readonly tokens: number }>();
  const run = new EncoderRun(host, { request, model, lane, decision, arrived }, signal);
  let scoredOn: string | undefined;
  const {
    candidate: _,
    visited: __,
    ...place
  } = await run.run(async ({ device }, visit) => {
    if (scoredOn !== device.name) found.clear(); // devices calculate in other precisions: one list, one device
    scoredOn = device.name;
    if (documents.length === 0) await visit.enter();
    const pieces = piecesOf(missing(documents, found), ([, document]) => bytesOf(document));
    await eachPiece(pieces, async (piece) => {
      const texts = piece.map(([, document]) => document);
      const bytes = texts.reduce((sum, text) => sum + bytesOf(text), bytesOf(query));
      const answer = await visit.ask(bytes, (engine, stop) => engine.rerank(query, texts, { lane }, stop));
      if (answer.scores.length !== texts.length || answer.tokens.length !== texts.length)
        throw new ProxyError("inference_failed", "The model did not answer with one score for each document.");
      for (const [at, [index]] of piece.entries())
        found.set(index, { score: answer.scores[at] ?? 0, tokens: answer.tokens[at] ?? 0 });
    });
  });
  return {
    ...place,
    scores: documents.map((_document, index) => found.get(index)?.score ?? 0),
    tokens: [...found.values()].reduce((sum, { tokens }) => sum + tokens, 0),
  };
}

/** Those that no earlier attempt brought to an end, as they are asked for. */
function* missing(
  documents: readonly string[],
  found: ReadonlyMap<number, unknown>,
): Generator<readonly [index: number, document: string]> {
  for (const [index, document] of documents.entries()) if (!found.has(index)) yield [index, document];
}

/** @throws ProxyError invalid_request */
function check({ documents }: RerankRequest, { name, kind }: Model): void {
  if (kind !== "rerank")
    throw new ProxyError("invalid_request", `"${name}" does not support reranking`, { param: "model" });
  if (documents.length > MOST_INPUTS)
    throw new ProxyError(
      "invalid_request",
      `The request has ${documents.length} documents. Expected ${MOST_INPUTS} at most; send the others separately.`,
      { param: "documents" },
    );
}
