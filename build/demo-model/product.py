"""Questions about npu-proxy itself, answered with the lines of facts.txt, and about the words of its trade."""

from exchange import Exchange
from knowledge import DEVICES, TERMS, fact
from wording import expand, noisy


def product(r):
    """What npu-proxy does: every answer is a line of facts.txt."""
    k = "(what|which) (command|npu-proxy command|subcommand)"
    e = "(what|which) (endpoint|route|path|url|address)"
    s = "(what|which) (setting|variable|environment variable|env var|option)"
    table = {
        "The server listens on port": (f"((what|which) port (does (npu-proxy|the server|it) (use|listen on|run on)|is used|is it|is the server on|does npu-proxy have)|on (which|what) port (does the server listen|does it run|is npu-proxy)|(the|default|npu-proxy|server) port|port number|(what is|tell me) (the|its|your) (default|) port)", "11435"),
        "The server listens on the loopback": ("((what|which) (ip|ip address|host|interface|address) does (the server|npu-proxy|it) (listen on|bind to|use)|on (which|what) (address|host|ip) does (the server|it|npu-proxy) listen|where does the server listen|(can|do) other (machines|computers) reach the server|is it open to the network|(default|server) (host|ip) address)", "127.0.0.1"),
        "npu-proxy serve": (f"({k} starts (the server|npu-proxy)|how (do|can) i start (the server|npu-proxy|it)|start the server|how to (start|launch|run) the server|what does (npu-proxy serve|the serve command|serve) do|how do i (launch|bring up|get) the server (running|)|serve command|npu-proxy serve)", None),
        "npu-proxy run": (f"({k} (starts a chat|chats|opens a chat)|how (do|can) i chat (with a model|in the terminal|here|)|chat in the terminal|what does (npu-proxy run|the run command|run) do|how to talk to a model|run command|how do i (talk to|chat with) a model (from|in|on) the (command line|terminal|shell)|npu-proxy run)", None),
        "npu-proxy list": (f"({k} (lists|shows) (the|my|all|installed|local) models|how (do|can) i (list|see|show) (the|my|all|installed|local) models|what does (npu-proxy list|the list command|list) do|which models (do i have|are installed|are here|are on this machine)|list command|list (my|the|local) models|npu-proxy list)", None),
        "npu-proxy ps": (f"({k} shows (loaded|running) models|how (do|can) i see (loaded|running|active) models|which models are (loaded|running|in memory|active)|what does (npu-proxy ps|the ps command|ps) do|what is (loaded|running) (now|)|ps command|see what is (loaded|in memory)|npu-proxy ps)", None),
        "npu-proxy show": (f"({k} (tells about|describes|shows details of) (a|one) model|how (do|can) i (see|get) (details|information|info) (of|about|on) (a|one) model|what does (npu-proxy show|the show command|show) do|show command|details (of|about) a model|npu-proxy show)", None),
        "npu-proxy devices": (f"({k} (shows|lists) (the|) (devices|hardware)|how (do|can) i (see|list|find) (the|my|) (devices|hardware)|which devices (do i have|are there|are found)|what does (npu-proxy devices|the devices command|devices) do|devices command|how do i know if (my|the) npu is (found|seen|there)|list devices|npu-proxy devices)", None),
        "npu-proxy pull": (f"({k} (downloads|gets|fetches) (a|) model|how (do|can) i (download|get|fetch|install|pull) a (new|) model|what does (npu-proxy pull|the pull command|pull) do|pull command|download a model|how to (get|install) (a|another) model|npu-proxy pull)", None),
        "npu-proxy search": (f"({k} (searches|looks for|finds) models|how (do|can) i (search|look for|find) (for|) (new|) models|what does (npu-proxy search|the search command|search) do|search command|find models on the hub|where do i find (new|more) models|search for models|npu-proxy search)", None),
        "POST /api/chat": (f"({e} (is|answers|does|handles) (a|) (the|) (ollama chat|chat in the ollama form|chat with ollama)|what (does|is) (POST |)/api/chat (do|for|)|/api/chat|ollama chat (endpoint|route|path)|how do i chat (with|through|over|in) the ollama (api|form))", None),
        "POST /api/generate": (f"({e} (completes a prompt|is for completion in ollama|generates text|is ollama's generate)|what (does|is) (POST |)/api/generate (do|for|)|/api/generate|ollama (generate|completion) (endpoint|route|path)|how do i complete a prompt)", None),
        "GET /api/tags": (f"({e} lists models in (the|) ollama (form|)|what (does|is) (GET |)/api/tags (do|for|)|/api/tags|ollama (tags|models|model list) (endpoint|route|path)|how do i list (the|) models (with|in|through) (the|) ollama (api|form|)|tags endpoint)", None),
        "POST /v1/chat/completions": (f"({e} (is|answers|does|handles) (a|the|) (openai chat|chat in the openai form|chat completions)|what (does|is) (POST |)/v1/chat/completions (do|for|)|/v1/chat/completions|openai chat (endpoint|route|path)|how do i chat (with|through|over|in) the openai (api|form)|chat completions (endpoint|))", None),
        "GET /v1/models": (f"({e} lists models in (the|) openai (form|)|what (does|is) (GET |)/v1/models (do|for|)|/v1/models|openai (models|model list) (endpoint|route|path)|how do i list (the|) models (with|in|through) (the|) openai (api|form|))", None),
        "GET /health": (f"({e} (says|tells|shows) if (the server|it|npu-proxy) is (well|healthy|ok|alive|up)|how do i (check|know|see) (if|that|whether) (the server|it|npu-proxy) (is (well|healthy|ok|up|alive|running)|works)|what (does|is) (GET |)/health (do|for|)|/health|health (check|endpoint|route)|is the server (healthy|well|alive))", None),
        "NPU_PROXY_PORT": (f"({s} (sets|changes|is for) the port|how (do|can) i (change|set) the port|what (does|is) NPU_PROXY_PORT (do|for|)|change the port|NPU_PROXY_PORT|i need (another|a different) port|run (it|the server) on another port)", "NPU_PROXY_PORT"),
        "NPU_PROXY_HOST": (f"({s} (sets|changes|is for) the (host|address)|how (do|can) i (change|set) the (host|address)|what (does|is) NPU_PROXY_HOST (do|for|)|change the (host|address)|NPU_PROXY_HOST|how do i let it listen on another address)", "NPU_PROXY_HOST"),
        "NPU_PROXY_DEVICE": (f"({s} (sets|changes|chooses|picks|is for) the device|how (do|can) i (change|set|choose|pick|select) the device|what (does|is) NPU_PROXY_DEVICE (do|for|)|(change|choose) the device|NPU_PROXY_DEVICE|how do i force the (GPU|CPU|NPU)|make it use the (GPU|CPU|NPU))", "NPU_PROXY_DEVICE"),
        "NPU_PROXY_TOKEN_LIMIT": (f"({s} (sets|changes|limits|is for) the (token limit|longest prompt|prompt limit)|how (do|can) i (change|set|raise) the (token|prompt) limit|what (does|is) NPU_PROXY_TOKEN_LIMIT (do|for|)|what is the (default |)(token|prompt) limit|NPU_PROXY_TOKEN_LIMIT|how long (may|can) a prompt be (on|for) the NPU|how many tokens (may|can) a prompt have|longest prompt (on|for) the NPU)", "1800"),
        "NPU_PROXY_LOG_LEVEL": (f"({s} (sets|changes|is for) (the log level|logging|how much is logged)|how (do|can) i (change|set|raise) the (log level|logging)|what (does|is) NPU_PROXY_LOG_LEVEL (do|for|)|log level|NPU_PROXY_LOG_LEVEL|how do i get more logs|make the log (quiet|quieter|louder|more detailed))", "NPU_PROXY_LOG_LEVEL"),
        "Models are kept": ("(where are (the|my|) models (kept|stored|saved)|(in|) (which|what) (folder|directory) (are|holds|has) (the|my|) models|models (folder|directory|dir)|where (does npu-proxy|does it|do you) (keep|store|save|put) (the|) models|where do models go|(path|folder|location) of (the|) models|where is the model (folder|directory))", "~/.cache/npu-proxy/models"),
    }
    start, (forms, word) = r.choice(list(table.items()))
    sentence = fact(start)
    return Exchange(noisy(r, expand(r, forms)), sentence, word, word or sentence, "The user asks about npu-proxy. I know this fact.")


def term(r):
    if r.random() < 0.5:
        x, a = r.choice(list(DEVICES.items()))
        q = expand(r, f"((what is|what's|explain|tell me about|describe) (the|an|a|) {x}|what does {x} mean|{x}|what is the {x} (for|good for)|what can the {x} do|(meaning|definition) of {x})")
    else:
        x, a = r.choice(list(TERMS.items()))
        q = expand(r, f"((what is|what's|explain|define|tell me about|describe) (a|an|the) {x}|what does (the word|) {x} mean|(meaning|definition) of {x}|what do you mean by {x}|what are {x}s)")
    return Exchange(noisy(r, q), a, None, a, f"The user asks what {x} means.")
