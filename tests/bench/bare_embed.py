"""One TextEmbeddingPipeline in one process, with nothing of ours around it.

Started by embed-subjects.ts with {"directory", "properties"} as its argument. Answers each line of stdin with one of stdout:
{"texts": [...], "batch": N} embeds all of them and tells the ns that it took; N 0: one by one, else in batches of N by
length. {"queries": [...]} embeds one after the other and tells the ns of each. {"vectors": [...]} tells their vectors.
"""

import json
import sys
import time

import openvino_genai as genai


def load(directory, properties):
    config = genai.TextEmbeddingPipeline.Config()
    config.normalize = True
    config.pooling_type = genai.TextEmbeddingPipeline.PoolingType.MEAN
    return genai.TextEmbeddingPipeline(directory, "CPU", config, **properties)


def embed_all(pipeline, texts, batch):
    begin = time.perf_counter_ns()
    if batch == 0:
        for text in texts:
            pipeline.embed_query(text)
    else:
        ordered = sorted(texts, key=len)
        for at in range(0, len(ordered), batch):
            pipeline.embed_documents(ordered[at : at + batch])
    return time.perf_counter_ns() - begin


def embed_each(pipeline, queries):
    times = []
    for query in queries:
        begin = time.perf_counter_ns()
        pipeline.embed_query(query)
        times.append(time.perf_counter_ns() - begin)
    return times


def main():
    pipeline = load(**json.loads(sys.argv[1]))
    print(json.dumps({"ready": genai.__version__}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "texts" in asked:
            answer = {"ns": embed_all(pipeline, asked["texts"], asked["batch"])}
        elif "queries" in asked:
            answer = {"ns": embed_each(pipeline, asked["queries"])}
        else:
            answer = {"vectors": [list(pipeline.embed_query(text)) for text in asked["vectors"]]}
        print(json.dumps(answer), flush=True)


main()
