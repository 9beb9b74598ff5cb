"""``python with_template.py MODEL COPY`` copies a GGUF file, with standard input as the chat template of the copy."""

from __future__ import annotations

import sys

import gguf


def main(model: str, copy: str, template: str) -> None:
    """Write every field and tensor of ``model`` to ``copy``, but for the template."""
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(copy, reader.fields["general.architecture"].contents())
    writer.add_chat_template(template)
    for name, field in reader.fields.items():
        if name not in {"general.architecture", "tokenizer.chat_template"} and not name.startswith("GGUF."):
            element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=element)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:], sys.stdin.read())
