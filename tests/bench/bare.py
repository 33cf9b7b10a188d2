"""The same model in GenAI's continuous batching pipeline, with nothing of ours around it.

Started by bare.ts with {"directory", "properties", "scheduler"} as its argument. Answers each line of stdin with one of
stdout: {"prompts": [text of a user, ...], "tokens": N} with the times of one run of all these prompts together, in ns.
Token ids are read and counted; nothing is turned into text.
"""

import json
import sys
import time

import openvino_genai as genai


def load(options):
    scheduler = genai.SchedulerConfig()
    scheduler.max_num_batched_tokens = options["scheduler"]["maxBatchedTokens"]
    scheduler.max_num_seqs = options["scheduler"]["maxSequences"]
    scheduler.enable_prefix_caching = options["scheduler"]["prefixCaching"]
    return genai.ContinuousBatchingPipeline(options["directory"], scheduler, "CPU", options["properties"])


def encode(tokenizer, prompt):
    text = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False).input_ids


def measure(pipeline, first_id, prompts, tokens):
    tokenizer = pipeline.get_tokenizer()
    config = pipeline.get_config()
    config.apply_chat_template = False
    config.do_sample = False
    config.max_new_tokens = tokens
    config.min_new_tokens = tokens
    encoded = [encode(tokenizer, prompt) for prompt in prompts]
    counts = [0] * len(prompts)
    firsts = [0] * len(prompts)
    lasts = [0] * len(prompts)
    begin = time.perf_counter_ns()
    handles = [pipeline.add_request(first_id + index, ids, config) for index, ids in enumerate(encoded)]
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for index, handle in enumerate(handles):
            while handle.can_read():
                for output in handle.read().values():
                    counts[index] += len(output.generated_ids)
                lasts[index] = time.perf_counter_ns()
                firsts[index] = firsts[index] or lasts[index]
    return {
        "streams": [
            {
                "promptTokens": int(ids.shape[1]),
                "tokens": counts[index],
                "firstNs": firsts[index] - begin,
                "lastNs": lasts[index] - begin,
            }
            for index, ids in enumerate(encoded)
        ]
    }


def main():
    pipeline = load(json.loads(sys.argv[1]))
    next_id = 1
    print(json.dumps({"ready": genai.__version__}), flush=True)
    for line in sys.stdin:
        run = json.loads(line)
        print(json.dumps(measure(pipeline, next_id, run["prompts"], run["tokens"])), flush=True)
        next_id += len(run["prompts"])


main()
