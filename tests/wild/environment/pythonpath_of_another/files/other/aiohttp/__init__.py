raise ImportError("cannot load libfoo.so.1", name="aiohttp._http")
