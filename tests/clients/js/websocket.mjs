// Node.js has a WebSocket of its own only since version 22. starknet.js looks for it when it is
// loaded, also where it is given another one, so this must be loaded before.

import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket;
