"""``create``: from a Modelfile to the server's last word."""

import hashlib

import pytest

WEIGHTS = b"GGUF" + bytes(100)
DIGEST = f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}"
BLOB = f"/api/blobs/{DIGEST}"
STEPS = [{"status": "parsing GGUF"}, {"status": f"creating new layer {DIGEST}"}, {"status": "success"}]


@pytest.fixture
def making(api, tmp_path):
    """A folder with weights, and a server that takes them."""
    (tmp_path / "model.gguf").write_bytes(WEIGHTS)
    api.on("POST", BLOB, status=201)
    api.streams("/api/create", *STEPS)
    return tmp_path


def test_from_a_file(api, puna, making):
    """A file is uploaded and named in the request; each step is one line on standard error."""
    (making / "Modelfile").write_text("FROM ./model.gguf\n")
    result = puna("create", "mine")
    expected = (
        f"gathering model components\ncopying file {DIGEST} 100%\nparsing GGUF\ncreating new layer {DIGEST}\nsuccess\n"
    )
    assert (0, "", expected) == (result.code, result.out, result.err)
    assert [("HEAD", "/"), ("GET", "/api/store"), ("HEAD", BLOB), ("POST", BLOB), ("POST", "/api/create")] == [
        (asked.method, asked.path) for asked in api.asked
    ]
    assert WEIGHTS == api.asked[3].body
    assert [{"stream": True, "model": "mine", "files": {"model.gguf": DIGEST}}] == api.bodies("/api/create")


def test_a_blob_that_is_there(api, puna, making):
    """What the server holds already is not sent again."""
    (making / "Modelfile").write_text("FROM ./model.gguf\n")
    api.on("HEAD", BLOB)
    result = puna("create", "mine")
    assert 0 == result.code
    assert ["HEAD"] == [asked.method for asked in api.asked if asked.path == BLOB]
    assert f"copying file {DIGEST} 100%\n" in result.err


def test_paths_are_relative_to_the_modelfile(api, puna, making):
    """A path means the same wherever the command is run."""
    (making / "recipes").mkdir()
    (making / "recipes" / "mine").write_text("FROM ../model.gguf\nADAPTER ~/model.gguf\n")
    puna("create", "mine", "-f", "recipes/mine")
    [body] = api.bodies("/api/create")
    assert {"model.gguf": DIGEST} == body["files"] == body["adapters"]


def test_from_a_model(api, puna, making):
    """What is no file is a model's name; everything a Modelfile says is sent."""
    (making / "Modelfile").write_text(
        "FROM smol\nPARAMETER stop a\nPARAMETER stop b\nPARAMETER num_ctx 512\nSYSTEM Be.\n"
        'TEMPLATE """{{ .Prompt }}"""\nLICENSE L1\nMESSAGE user hi\nREQUIRES 0.14.0\n'
    )
    assert 0 == puna("create", "mine", "-q", "q8_0").code
    expected = {
        "stream": True,
        "model": "mine",
        "from": "smol",
        "parameters": {"stop": ["a", "b"], "num_ctx": 512},
        "system": "Be.",
        "template": "{{ .Prompt }}",
        "license": ["L1"],
        "messages": [{"role": "user", "content": "hi"}],
        "requires": "0.14.0",
        "quantize": "q8_0",
    }
    assert [expected] == api.bodies("/api/create")


def test_without_modelfile(api, puna, making):
    """A folder with a GGUF file and no Modelfile makes a model of that file."""
    assert 0 == puna("create", "mine").code
    assert [{"stream": True, "model": "mine", "files": {"model.gguf": DIGEST}}] == api.bodies("/api/create")


def test_from_standard_input(api, puna, making):
    """A Modelfile may be piped in; its paths are relative to this folder."""
    assert 0 == puna("create", "new", "-f", "-", stdin="FROM ./model.gguf\nSYSTEM Hi.\n").code
    [body] = api.bodies("/api/create")
    assert ({"model.gguf": DIGEST}, "Hi.") == (body["files"], body["system"])


def test_without_anything(puna):
    """An empty folder makes nothing."""
    result = puna("create", "mine")
    expected = "gathering model components\nError: no Modelfile or safetensors files found\n"
    assert (1, "", expected) == (result.code, result.out, result.err)


def test_mistyped_modelfile(api, puna, making):
    """A Modelfile that was named must be there, whatever else is."""
    result = puna("create", "mine", "-f", "Modlfile")
    expected = "there is no file Modlfile\nError: no Modelfile or safetensors files found\n"
    assert (1, expected) == (result.code, result.err)
    assert [] == api.bodies("/api/create")


def test_mistyped_model_file(api, puna, making):
    """A path where there is nothing is pointed at, before the server refuses it as a name."""
    (making / "Modelfile").write_text("FROM ./modle.gguf\n")
    api.on("POST", "/api/create", {"error": "invalid model name"}, status=400)
    expected = (
        "gathering model components\n"
        "there is no file ./modle.gguf, so it is taken as a model's name\n"
        "Error: 400 Bad Request: invalid model name\n"
    )
    assert expected == puna("create", "mine").err


def test_two_files_of_one_name(api, puna, making):
    """Weights and projector may have the same file name."""
    (making / "projector").mkdir()
    (making / "projector" / "model.gguf").write_bytes(WEIGHTS)
    (making / "Modelfile").write_text("FROM model.gguf\nFROM projector/model.gguf\n")
    puna("create", "mine")
    assert {"model.gguf": DIGEST, "projector/model.gguf": DIGEST} == api.bodies("/api/create")[0]["files"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "FROM x\nFROB y\n",
            (
                '(line 2): command must be one of "from", "license", "template", "system", "adapter", "draft", '
                '"renderer", "parser", "parameter", "message", or "requires"'
            ),
        ),
        ("FROM x\nMESSAGE you hi\n", '(line 2): message role must be one of "system", "user", or "assistant"'),
        ("SYSTEM hi\n", "no FROM line"),
        ('FROM x\nSYSTEM """hi\n', "unexpected EOF"),
        ("FROM x\nPARAMETER temperature hot\n", "invalid float value [hot]"),
        ("FROM x\nPARAMETER heat 1\n", "unknown parameter 'heat'"),
        ("FROM x\nADAPTER ./none\n", "there is no adapter file ./none"),
    ],
)
def test_mistakes_in_the_modelfile(api, puna, making, text, error):
    """A Modelfile with a mistake makes nothing, and the mistake is named."""
    (making / "Modelfile").write_text(text)
    result = puna("create", "mine")
    assert (1, "") == (result.code, result.out)
    assert f"Error: {error}" == result.err.splitlines()[-1]
    assert [] == api.bodies("/api/create")


def test_a_bad_value(api, puna, making):
    """A Modelfile that reads well and has a bad value fails one step later, as Ollama's does."""
    (making / "Modelfile").write_text("FROM x\nPARAMETER temperature hot\n")
    assert "gathering model components\nError: invalid float value [hot]\n" == puna("create", "mine").err
    (making / "Modelfile").write_text("FROM x\nMESSAGE you hi\n")
    assert puna("create", "mine").err.startswith("Error: (line 2)")


def test_deprecated_parameter(puna, making):
    """A parameter of old times is mentioned, and does no harm."""
    (making / "Modelfile").write_text("FROM model.gguf\nPARAMETER mirostat 1\n")
    assert puna("create", "mine").err.startswith("warning: parameter mirostat is deprecated\n")


def test_from_a_folder(api, puna, making):
    """A folder of safetensors is sent with what belongs to it, and nothing else."""
    model = making / "model"
    for name in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json", "notes.md"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_bytes(WEIGHTS)
    for name in ("1_Pooling/config.json", "deep/er/config.json", "consolidated.safetensors", "tokenizer.model"):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(WEIGHTS)
    (making / "Modelfile").write_text("FROM ./model\n")
    assert 0 == puna("create", "mine").code
    [body] = api.bodies("/api/create")
    assert {
        "1_Pooling/config.json",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "tokenizer.model",
    } == set(body["files"])


def test_a_folder_of_one_split_model(api, puna, making):
    """All parts of a split GGUF file are sent."""
    (making / "model.gguf").rename(making / "m-00001-of-00002.gguf")
    (making / "m-00002-of-00002.gguf").write_bytes(WEIGHTS)
    (making / "config.json").write_text("{}")
    assert 0 == puna("create", "mine").code
    assert {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"} == set(api.bodies("/api/create")[0]["files"])


@pytest.mark.parametrize("said", [[1], [1, 2]])
def test_the_first_part_of_a_split_model(api, puna, making, said):
    """The other parts come with it, as with llama.cpp; who names them too sends them no second time."""
    parts = [f"tiny-{part:05}-of-00002.gguf" for part in (1, 2)]
    for part in parts:
        (making / part).write_bytes(WEIGHTS)
    (making / "Modelfile").write_text("".join(f"FROM ./{parts[part - 1]}\n" for part in said))
    assert 0 == puna("create", "mine").code
    assert dict.fromkeys(parts, DIGEST) == api.bodies("/api/create")[0]["files"]


def test_links_out_of_a_folder(api, puna, making):
    """A folder cannot smuggle in files from elsewhere."""
    (making / "model").mkdir()
    (making / "model" / "model.safetensors").symlink_to(making / "model.gguf")
    (making / "Modelfile").write_text("FROM ./model\n")
    result = puna("create", "mine")
    assert "Error: insecure path: model/model.safetensors" in result.err
    assert [] == api.bodies("/api/create")


def test_pickled_weights(api, puna, making):
    """Files that run code when they are read are named, and not sent."""
    (making / "model.gguf").rename(making / "pytorch_model.bin")
    (making / "config.json").write_text("{}")
    result = puna("create", "mine")
    assert "Error: pytorch_model.bin may run code when it is read" in result.err
    assert [] == [asked for asked in api.asked if asked.method == "POST"]


def test_several_adapters(api, puna, making):
    """Every ADAPTER counts; folders of one layout are kept apart."""
    for folder in ("one", "two"):
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (making / folder / name).parent.mkdir(exist_ok=True)
            (making / folder / name).write_bytes(WEIGHTS)
    (making / "Modelfile").write_text("FROM smol\nADAPTER one\nADAPTER ./two\nADAPTER model.gguf\n")
    assert 0 == puna("create", "mine").code
    assert {
        "adapter_model.safetensors",
        "adapter_config.json",
        "two/adapter_model.safetensors",
        "two/adapter_config.json",
        "model.gguf",
    } == set(api.bodies("/api/create")[0]["adapters"])


def test_a_draft_that_is_not_there(api, puna, making):
    """A type for a draft model, where there is none, is refused before anything is sent."""
    (making / "Modelfile").write_text("FROM model.gguf\n")
    result = puna("create", "mine", "--draft-quantize", "q8_0")
    expected = "gathering model components\nError: --draft-quantize requires a DRAFT model\n"
    assert (1, expected) == (result.code, result.err)
    assert ["HEAD"] == [asked.method for asked in api.asked]


def test_a_draft_model(api, puna, making):
    """DRAFT is a file of its own, which is not the model itself."""
    (making / "draft.gguf").write_bytes(WEIGHTS)
    (making / "Modelfile").write_text("FROM model.gguf\nDRAFT draft.gguf\n")
    assert 0 == puna("create", "mine", "--draft-quantize", "q8_0").code
    [body] = api.bodies("/api/create")
    assert ({"draft.gguf": DIGEST}, "q8_0") == (body["draft_files"], body["draft_quantize"])
    (making / "Modelfile").write_text("FROM model.gguf\nDRAFT ./model.gguf\n")
    assert "Error: DRAFT must not reference the same local path as FROM: ./model.gguf\n" in puna("create", "m").err


def test_bad_name(puna, making):
    """A name that is none is refused first."""
    result = puna("create", "a b", "-f", "Modelfile")
    assert (1, "", "Error: invalid model name: a b\n") == (result.code, result.out, result.err)


def test_server_refuses(api, puna, making):
    """A refusal says the status and the server's words."""
    (making / "Modelfile").write_text("FROM smol\n")
    text = "quantization is only supported for F16, BF16 and F32 models"
    api.on("POST", "/api/create", {"error": text}, status=500)
    result = puna("create", "cliq", "-q", "q4_K_M")
    expected = f"gathering model components\nError: 500 Internal Server Error: {text}\n"
    assert (1, "", expected) == (result.code, result.out, result.err)


def test_unreadable_modelfile(puna, making):
    """A Modelfile that cannot be read is named."""
    (making / "Modelfile").mkdir()
    assert "Error: Modelfile: is a directory\n" == puna("create", "mine").err


def test_a_level_that_there_is_not(api, puna, making):
    """A level that no model can be quantized to is refused with those that there are, before a file is sent."""
    (making / "Modelfile").write_text("FROM ./model.gguf\n")
    result = puna("create", "mine", "-q", "q9_z")
    assert 1 == result.code
    assert (
        "unsupported quantization type Q9_Z - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0, BF16, " in result.err
    )
    assert "Q6_K" in result.err
    assert BLOB not in [asked.path for asked in api.asked]
