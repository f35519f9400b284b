/** A transfer between hosts that no UDP leaves: all of it takes the relay, and a receiver that was lost goes on where it was. */
import * as Effect from "effect/Effect"
import { expect } from "vitest"
import * as NodeCryptoSuite from "../../layers/node/NodeCryptoSuite.ts"
import { SimRelay } from "../../layers/sim/relay/SimRelay.ts"
import { Identity, QuicEndpoint } from "../../src/index.ts"
import { Sender } from "../../src/transfer/askSender.ts"
import { transferAlpn } from "../../src/transfer/requests.ts"
import { serveTransfer } from "../../src/transfer/serveTransfer.ts"
import { formatTicket, parseTicket } from "../../src/transfer/ticket.ts"
import { concat, quietly } from "../api/pair.ts"
import { isDirect } from "../nat/peers.ts"
import { natWorld } from "../nat/simulated.ts"
import { layerOn } from "../nat/simulatedCell.ts"
import { itSim } from "../sim/itSim.ts"
import { chunkBytes, collected, content, source, three } from "./offered.ts"

itSim("files are sent where UDP is blocked at both ends, and resumed", () =>
  quietly(
    Effect.gen(function* () {
      const blocked = "udp-blocked"
      const world = yield* natWorld({ client: blocked, server: blocked }, { bitsPerSecond: 50e6 })
      const relay = yield* Effect.provide(SimRelay.make(world.public), layerOn(world.public))
      const log: Array<string> = []
      const far = yield* QuicEndpoint.make({
        host: "0.0.0.0",
        identity: yield* Effect.provide(Identity.generateRawKey, layerOn(world.server.host)),
        relays: [relay.url],
        server: { alpn: [transferAlpn], clientCertificate: "none" }
      }).pipe(Effect.provide(layerOn(world.server.host)))
      yield* far.online
      yield* Effect.forkScoped(
        far.serve((connection) =>
          serveTransfer(connection, source, {
            onKept: (bytes) => log.push(`kept ${bytes}`),
            onSent: () => {},
            onReceived: Effect.sync(() => void log.push("received")),
            onRefused: (code) => Effect.sync(() => void log.push(`refused ${code}`))
          }).pipe(Effect.ignore, Effect.provide(NodeCryptoSuite.layer))
        )
      )
      const ticket = formatTicket({ address: yield* far.dialAddress, offer: source.hash })
      const near = yield* QuicEndpoint.make({
        host: "0.0.0.0",
        identity: yield* Effect.provide(Identity.generateRawKey, layerOn(world.client.host)),
        relays: [relay.url]
      }).pipe(Effect.provide(layerOn(world.client.host)))
      yield* near.online
      const got = collected()
      /** Asks for the file from a chunk on, and is gone after so many chunks. */
      const receive = (from: number, most: number) =>
        Effect.gen(function* () {
          const { address, offer } = yield* parseTicket(ticket)
          const connection = yield* near.dial(address, { alpn: [transferAlpn] })
          const sender = new Sender(connection, offer)
          const hashes = yield* sender.hashesOf(0, three)
          let left = most
          yield* sender.chunks(0, three, hashes, from, {
            ...got.target,
            write: (bytes) => (left-- > 0 ? got.target.write(bytes) : Effect.fail("gone" as const))
          })
          yield* sender.received
          expect(isDirect(connection)).toBe(false)
        }).pipe(Effect.scoped, Effect.provide(NodeCryptoSuite.layer))
      expect(yield* Effect.flip(receive(0, 1))).toBe("gone")
      expect(concat(got.parts)).toEqual(content.subarray(0, chunkBytes))
      yield* receive(1, Number.POSITIVE_INFINITY)
      expect(concat(got.parts)).toEqual(content)
      expect(log).toEqual(["kept 0", `kept ${chunkBytes}`, "received"])
      expect(relay.counters.bytes).toBeGreaterThan(content.length)
    })
  )
)
