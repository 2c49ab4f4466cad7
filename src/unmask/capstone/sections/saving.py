"""The words of the saving step."""

from __future__ import annotations

from unmask.capstone.sections import Kept
from unmask.pages import Html, paragraph, table
from unmask.writing import percent


def parts(kept: Kept) -> list[Html]:
    """What comes back the same, and what is rounded."""
    rows = [
        ["the weights, loaded into a new network", f"{kept.value('saving.weights'):.2g}"],
        ["a model folder, copied and loaded", f"{kept.value('saving.folder'):.2g}"],
        ["the same packed into one file", f"{kept.value('saving.archive'):.2g}"],
        ["network in memory against its ONNX file", f"{kept.value('saving.onnx'):.2g}"],
    ]
    sizes = [[name, f"{size:,}"] for name, size in kept.data["bytes"].items()]
    return [
        paragraph(
            f"The trained network is saved, loaded again, and asked about {kept.data['faces']} faces. What is loaded "
            "is what was saved, to the last bit. The ONNX file stores its weights in 16 bits to be half as large; "
            f"that moves logits in the third decimal, and {percent(kept.data['same_answers'], 2)} of the answers are "
            "the same. There is no pickle: weights are safetensors, the graph is ONNX, the card is JSON."
        ),
        table(["compared", "largest difference of a logit"], rows),
        table(["file", "bytes"], sizes),
    ]
