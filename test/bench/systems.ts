import { effectQuic, effectQuicEarly } from "./effectQuic.ts"
import { libp2pQuic } from "./libp2pQuic.ts"
import { matrixQuic } from "./matrixQuic.ts"
import { nodeDgram } from "./nodeDgram.ts"
import { nodeHttp2 } from "./nodeHttp2.ts"
import { nodeTls } from "./nodeTls.ts"
import type { System } from "./system.ts"

export const systems = {
  "effect-quic portable": { ...effectQuic, io: "portable" },
  "effect-quic+ffi": { ...effectQuic, io: "ffi" },
  "effect-quic, 0-RTT": effectQuicEarly,
  "node:dgram": nodeDgram,
  "node:tls": nodeTls,
  "node:http2": nodeHttp2,
  "@matrixai/quic": matrixQuic,
  "@chainsafe/libp2p-quic": libp2pQuic
} as const satisfies { [name: string]: System }
