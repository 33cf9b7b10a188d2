#!/usr/bin/env python3
"""Make the IR that GenAI writes from a GGUF acceptable to OpenVINO's NPU path (static shapes): `fix_ir.py FOLDER`.

- The value cache's variable is named "...valuepresent.N.key" like the key cache's: a duplicate name once outputs are made of them.
- The target shape of the grouped-query Broadcast holds 0 for "keep", which fails as soon as shapes are static; 1 means the same.
Afterwards the XML loses its indentation, a quarter of its size."""

import os
import re
import sys

import numpy as np
import openvino as ov
from openvino import opset13


def fix(folder: str):
    """Repair openvino_model.xml and .bin in place; says how many Broadcasts were changed."""
    path = os.path.join(folder, "openvino_model.xml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"valuepresent\.(\d+)\.key", r"valuepresent.\1.value", text))
    core = ov.Core()
    core.set_property({"ENABLE_MMAP": False})
    model, changed = core.read_model(path), 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Broadcast":
            continue
        shape = node.input_value(1).get_node()
        if shape.get_type_name() != "Concat" or len(shape.inputs()) != 5:
            continue
        kept = shape.input_value(3).get_node()
        if kept.get_type_name() == "Constant" and int(kept.data.ravel()[0]) == 0:
            shape.input(3).replace_source_output(opset13.constant(np.array([1], np.int64)).output(0))
            changed += 1
    ov.save_model(model, path + ".new.xml", compress_to_fp16=False)
    del model
    os.replace(path + ".new.bin", path[:-4] + ".bin")
    os.replace(path + ".new.xml", path)
    squeeze(path)
    return changed


def squeeze(path: str):
    """Take the indentation out of an IR's XML."""
    with open(path, encoding="utf-8") as file:
        text = re.sub(r">\s+<", "><", file.read())
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, "Broadcasts changed:", fix(name))
