from assay.storage.fingerprints import fingerprint, text_hash


def test_a_text_has_its_published_sha256() -> None:
    # FIPS 180-4, example of SHA-256: "abc"
    assert text_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_value_is_named_by_its_json_whatever_the_order_of_keys() -> None:
    assert fingerprint({"b": [1, None], "a": "é"}) == text_hash('{"a": "\\u00e9", "b": [1, null]}')
    assert fingerprint({"a": "é", "b": [1, None]}) == fingerprint({"b": [1, None], "a": "é"})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
