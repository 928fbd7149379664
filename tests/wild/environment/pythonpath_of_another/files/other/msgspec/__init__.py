raise ImportError("cannot load libfoo.so.1", name="msgspec._http")
