import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import * as NodeEntropy from "../../layers/node/NodeEntropy.ts"
import { Resumption, TicketKeys, TicketStore } from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"

const ticket = (n: number): Resumption.SessionTicket => ({
  identity: Uint8Array.of(n),
  secret: new Uint8Array(32),
  cipherSuite: 0x1301,
  alpn: "test",
  serverName: "localhost",
  issuedAtMillis: 0,
  lifetimeSeconds: 1000,
  ageAdd: 0,
  earlyData: false,
  transportParameters: new Uint8Array(0),
  peer: undefined
})

const withStore = (
  options: Resumption.StoreOptions,
  program: (store: typeof TicketStore.Service) => Effect.Effect<void>
): Promise<void> =>
  Effect.runPromise(
    Effect.provide(Effect.flatMap(TicketStore, program), Layer.orDie(Resumption.layerTicketStore(options)))
  )

describe("a ticket store", () => {
  // RFC 9001 §4.5 #S1, RFC 9000 §8.1.3 #5 #S3
  it("returns each ticket once, newest first, and the newest address token once", () =>
    withStore({}, (store) =>
      Effect.gen(function* () {
        yield* store.putTicket("a", ticket(1))
        yield* store.putTicket("a", ticket(2))
        yield* store.putAddressToken("a", Uint8Array.of(1))
        yield* store.putAddressToken("a", Uint8Array.of(2))
        expect(yield* store.take("a")).toEqual({ ticket: ticket(2), addressToken: Uint8Array.of(2) })
        expect(yield* store.take("a")).toEqual({ ticket: ticket(1), addressToken: undefined })
        expect(yield* store.take("a")).toEqual({ ticket: undefined, addressToken: undefined })
      })
    ))

  it("keeps a limited number of tickets per server, the newest", () =>
    withStore({ ticketsPerServer: 2 }, (store) =>
      Effect.gen(function* () {
        for (let n = 1; n <= 9; n++) yield* store.putTicket("a", ticket(n))
        const taken = [yield* store.take("a"), yield* store.take("a"), yield* store.take("a")]
        expect(taken.map((each) => each.ticket?.identity[0])).toEqual([9, 8, undefined])
      })
    ))

  it("keeps a limited number of servers, the most recently used", () =>
    withStore({ maxServers: 2 }, (store) =>
      Effect.gen(function* () {
        yield* store.putTicket("a", ticket(1))
        yield* store.putTicket("b", ticket(2))
        yield* store.putTicket("a", ticket(3))
        yield* store.putTicket("c", ticket(4))
        expect((yield* store.take("b")).ticket).toBeUndefined()
        expect((yield* store.take("a")).ticket).toEqual(ticket(3))
        expect((yield* store.take("c")).ticket).toEqual(ticket(4))
      })
    ))

  it("stores tickets that survive serialization", () => {
    const session = { ...ticket(7), peer: { _tag: "rawPublicKey", spki: Uint8Array.of(1, 2) } as const }
    expect(Resumption.decodeTicket(Resumption.encodeTicket(session))).toEqual(session)
  })
})

describe("ticket keys", () => {
  it("reject a secret that is too short, with a readable reason", async () => {
    const layer = Resumption.layerTicketKeys({ secret: Redacted.make(new Uint8Array(31)) })
    const live = Layer.merge(LiveCryptoSuite.layer, NodeEntropy.layer)
    const error = await Effect.runPromise(Effect.flip(Effect.provide(TicketKeys, Layer.provide(layer, live))))
    expect(error.message).toBe("secret: at least 32 unpredictable bytes, a Redacted of a Uint8Array")
  })
})
