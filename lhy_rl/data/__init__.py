"""Training data: corpora, tokenizers, sentences, demonstrations, pictures and videos."""

from lhy_rl.data.corpora import CORPORA, Corpus, load_corpus
from lhy_rl.data.sentences import SentenceData
from lhy_rl.data.tokenizer import Tokenizer

__all__ = ["CORPORA", "Corpus", "SentenceData", "Tokenizer", "load_corpus"]
