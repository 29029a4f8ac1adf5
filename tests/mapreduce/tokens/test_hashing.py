"""SipHash-2-4 against the paper's test vector; tests/models/layers/test_tokenizer.py holds it equal to TensorFlow's."""

from mapreduce.tokens.hashing import bucket, siphash


def test_the_vector_of_the_paper() -> None:
    assert siphash(bytes(range(15))) == 0xA129CA6149BE45E5  # appendix A


def test_known_lengths() -> None:
    # The first of the reference implementation's vectors, for messages 0, 1, 2, ... of every length
    assert siphash(b"") == 0x726FDB47DD0E0E31
    assert siphash(bytes(range(7))) == 0xAB0200F58B01D137
    assert siphash(bytes(range(8))) == 0x93F5F5799A932462


def test_buckets_are_in_range() -> None:
    assert {bucket(b"%d" % i, 3) for i in range(100)} == {0, 1, 2}
