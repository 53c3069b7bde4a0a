"""The cross-encoder: a BERT encoder with a verdict on the claim and one on each of its tokens."""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from graders.entailment.encoding import SEGMENTS


class CrossEncoder(nn.Module):
    """Logits above zero mean supported (claim) and wrong (token)."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        width = int(encoder.config.hidden_size)
        self.claim_head = nn.Linear(2 * width, 1)
        self.token_head = nn.Linear(width, 1)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        """int64 (rows, length) each -> claim logits (rows,), token logits (rows, length).

        The claim's logit reads [CLS] and the mean over the second segment.
        """
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types)[0]
        second = (types > 0).unsqueeze(-1).to(states.dtype)
        mean = (states * second).sum(1) / second.sum(1).clamp(min=1.0)
        claim = self.claim_head(torch.cat([states[:, 0], mean], dim=-1)).squeeze(-1)
        return claim, self.token_head(states).squeeze(-1)


def load_base(folder: Path) -> CrossEncoder:
    """A cross-encoder on top of a BERT checkpoint, heads fresh; raises OSError when absent."""
    encoder = BertModel.from_pretrained(str(folder), add_pooling_layer=False)
    return CrossEncoder(_with_segments(_without_dropout(encoder)))


def fresh(config: BertConfig) -> CrossEncoder:
    """An untrained cross-encoder: for tests, and as the frame that a checkpoint fills."""
    return CrossEncoder(
        _with_segments(_without_dropout(BertModel(config, add_pooling_layer=False)))
    )


def _with_segments(encoder: BertModel) -> BertModel:
    """BERT knows two segments; a matched word starts out as the first one's kind."""
    old = encoder.embeddings.token_type_embeddings.weight.detach()
    new = nn.Embedding(SEGMENTS, old.shape[1])
    with torch.no_grad():
        new.weight.copy_(torch.stack([old[0], old[1], old[0]]))
    encoder.embeddings.token_type_embeddings = new
    encoder.config.type_vocab_size = SEGMENTS
    return encoder


def _without_dropout(encoder: BertModel) -> BertModel:
    """Dropout costs a third of the speed on a CPU and a short run does not need it."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    encoder.config.attention_probs_dropout_prob = 0.0
    encoder.config.hidden_dropout_prob = 0.0
    return encoder


def freeze_embeddings(model: CrossEncoder) -> None:
    """Keeps the word vectors: words that no training row holds stay where their likes are."""
    model.encoder.embeddings.word_embeddings.weight.requires_grad = False
    model.encoder.embeddings.position_embeddings.weight.requires_grad = False
