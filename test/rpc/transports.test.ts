/** The suite of Effect's behaviour, over QUIC and, to prove the suite itself, over Effect's TCP sockets. */
import { live, simulated } from "../api/World.ts"
import { rpcSuite } from "./rpcSuite.ts"
import { quic, quicLayers, tcp } from "./transports.ts"

rpcSuite({ name: "Effect's TCP sockets", universe: live, transport: tcp })
rpcSuite({ name: "QUIC, live", universe: live, transport: quic })
rpcSuite({ name: "QUIC, simulated", universe: simulated, transport: quic })
rpcSuite({
  name: "QUIC, simulated at 5 % loss",
  universe: simulated,
  transport: quic,
  disturb: ({ cable }) => cable!.set({ lossRate: 0.05 })
})
rpcSuite({ name: "QUIC by its Layers, live", universe: live, transport: quicLayers })
rpcSuite({ name: "QUIC by its Layers, simulated", universe: simulated, transport: quicLayers })
