"""What ``show`` prints, against what Ollama printed of the same models."""

# ruff: noqa: W291 - the spaces at the ends of lines are what is promised

from dataclasses import replace

import pytest

from puna.cli.showing import describe
from puna.types import Details, ModelDetails, Tensor

SMOL = ModelDetails(
    modelfile="",
    details=Details(format="gguf", family="llama", parameter_size="134.52M", quantization_level="Q4_1"),
    model_info={
        "general.architecture": "llama",
        "general.languages": ["en"],
        "general.parameter_count": 134515008,
        "llama.attention.layer_norm_rms_epsilon": 1e-05,
        "llama.context_length": 8192,
        "llama.embedding_length": 576,
        "llama.rope.freq_base": 100000,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.merges": ["Ġ t", "Ġ a", *["x"] * 48898],
        "tokenizer.ggml.token_type": [3] * 49152,
        "tokenizer.ggml.tokens": ["<|endoftext|>", *["x"] * 49151],
    },
    capabilities=("completion",),
    modified="",
    parameters='stop                           "<|im_start|>"\nstop                           "<|im_end|>"',
    tensors=(
        Tensor("output_norm.weight", "F32", (576,)),
        Tensor("token_embd.weight", "Q8_0", (576, 49152)),
    ),
)
MODEL = """\
  Model
    architecture        llama      
    parameters          134.52M    
    context length      8192       
    embedding length    576        
    quantization        Q4_1       

"""
CAPABILITIES = """\
  Capabilities
    completion    

"""
PARAMETERS = """\
  Parameters
    stop    "<|im_start|>"    
    stop    "<|im_end|>"      

"""


def test_sections():
    """A model is shown in Ollama's sections, the empty ones left out."""
    assert MODEL + CAPABILITIES + PARAMETERS == describe(SMOL)


def test_verbose():
    """Verbose adds metadata in Go's notation, long arrays cut short, and tensors."""
    assert (
        MODEL
        + CAPABILITIES
        + PARAMETERS
        + """\
  Metadata
    general.architecture                      llama                             
    general.languages                         [en]                              
    general.parameter_count                   1.34515008e+08                    
    llama.attention.layer_norm_rms_epsilon    1e-05                             
    llama.context_length                      8192                              
    llama.embedding_length                    576                               
    llama.rope.freq_base                      100000                            
    tokenizer.ggml.add_bos_token              false                             
    tokenizer.ggml.merges                     [Ġ t Ġ a ...+48898 more]          
    tokenizer.ggml.token_type                 [3 3 3 ...+49149 more]            
    tokenizer.ggml.tokens                     [<|endoftext|> ...+49151 more]    

  Tensors
    output_norm.weight    F32     [576]          
    token_embd.weight     Q8_0    [576 49152]    

"""
    ) == describe(SMOL, verbose=True)


def test_system_and_license():
    """Of system message and license the first two lines that are not empty are shown."""
    model = replace(SMOL, system="You are\n\nmultiline.", license="L1\nL2\n\nL3", capabilities=(), parameters="")
    assert (
        MODEL
        + """\
  System
    You are       
    multiline.    

  License
    L1     
    L2     
    ...    

"""
        == describe(model)
    )


def test_long_prose_is_wrapped():
    """A long line is broken between words at a hundred columns."""
    shown = describe(replace(SMOL, system="word " * 30))
    assert f"    {'word ' * 19}word    \n    {'word ' * 9}word{' ' * 50}    \n" in shown


def test_requires_and_remote():
    """What a model requires is said, and where a remote one is."""
    model = replace(SMOL, requires="0.14.0", remote_model="big", remote_host="https://example.com")
    shown = describe(model)
    assert "    Remote model        big                    \n" in shown
    assert "    requires            0.14.0                 \n" in shown


@pytest.mark.parametrize("sense", ["vision", "audio"])
def test_projector(sense):
    """A projector has a section of its own."""
    info = {
        "general.architecture": "clip",
        "general.parameter_count": 878_410_000,
        f"clip.{sense}.embedding_length": 1280,
        f"clip.{sense}.projection_dim": 3584,
    }
    assert """\
  Projector
    architecture        clip       
    parameters          878.41M    
    embedding length    1280       
    dimensions          3584       

""" in describe(replace(SMOL, projector_info=info))


def test_numbers():
    """Numbers have the form that programs reading Ollama's output know."""
    info = {"a": 1e6, "b": 500000.0, "c": 0.0001, "d": 1.5e-7, "e": 0, "f": None, "g": True, "h": 1_000_000, "i": -0.25}
    shown = describe(replace(SMOL, model_info=info, tensors=()), verbose=True)
    values = [line.split()[1] for line in shown.partition("Metadata\n")[2].splitlines() if line]
    assert ["1e+06", "500000", "0.0001", "1.5e-07", "0", "<nil>", "true", "1e+06", "-0.25"] == values
