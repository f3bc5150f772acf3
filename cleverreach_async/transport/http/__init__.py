"""Send requests with an HTTP library: httpcore, or the user's httpx, httpx2 or aiohttp client."""
