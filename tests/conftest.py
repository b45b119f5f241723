"""Shared by all tests. Being here also puts tests/ on the import path, so that tests can import the toy builders."""
