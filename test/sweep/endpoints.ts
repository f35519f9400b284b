/** Sweeps of an endpoint's operations, from creation to release. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AddressResolver } from "effect/net/AddressResolver"
import { inetAddressFromStringUnsafe } from "effect/net/NetAddress"
import { type QuicConnection, QuicEndpoint } from "../../src/index.ts"
import { TicketStore, type TicketStoreShape } from "../../src/capability/TicketStore.ts"
import type { SessionTicket } from "../../src/capability/TicketStore.ts"
import { makeEndpoint, type PairOptions, pinned, readText, text } from "../api/pair.ts"
import { apart, type Apart, echo, endedWell, isClean, meet, served, type Served } from "./stages.ts"
import type { Sweep } from "./sweep.ts"

const connecting = (name: string, options: PairOptions = {}): Sweep<Served> => ({
  name,
  stage: served(options),
  operation: ({ client, connectOptions }) => client.connect(connectOptions),
  afterwards: endedWell
})

/** Two attempts in flight at once, to a server that answers both; one is given up. */
const racing: Sweep<Served> = {
  name: "connect, racing two addresses",
  stage: (world) => {
    const { host } = world.server
    const resolver = Layer.succeed(AddressResolver, {
      resolve: (name: string) =>
        Effect.succeed(
          [name, name].map((each) => inetAddressFromStringUnsafe(each.replace("raced.example", host)))
        )
    } as unknown as AddressResolver["Service"])
    const client = { ...world.client, layer: Layer.merge(world.client.layer, resolver) }
    return served({ client: { attemptDelay: 10 } })({ ...world, client })
  },
  operation: ({ client, connectOptions }) => client.connect({ ...connectOptions, host: "raced.example" }),
  afterwards: endedWell
}

/** A client's ticket store that tests can inspect. */
class Memory implements TicketStoreShape {
  readonly tickets: Array<SessionTicket> = []
  token: Uint8Array | undefined = undefined

  readonly take = () =>
    Effect.sync(() => {
      const ticket = this.tickets.pop()
      const addressToken = this.token
      this.token = undefined
      return { ticket, addressToken }
    })

  readonly putTicket = (_: string, ticket: SessionTicket) => Effect.sync(() => void this.tickets.push(ticket))

  readonly putAddressToken = (_: string, token: Uint8Array) =>
    Effect.sync(() => {
      this.token = token
    })
}

interface Returning extends Served {
  readonly memory: Memory
  readonly datagramsBefore: number
}

const again = { earlyData: true }

const returning: Sweep<Returning> = {
  name: "connect with a ticket and 0-RTT, and handshakeComplete",
  stage: (world) =>
    Effect.gen(function* () {
      const memory = new Memory()
      const stage = yield* Effect.provideService(
        served({ server: { earlyData: true }, client: again })(world),
        TicketStore,
        memory
      )
      yield* Effect.scoped(
        Effect.flatMap(stage.client.connect(stage.connectOptions), () => Effect.sleep(500))
      )
      yield* Effect.sleep(3_000)
      assert(memory.tickets.length > 0 && memory.token !== undefined)
      const datagramsBefore = world.cable!.forward.counters.entered
      return { ...stage, memory, datagramsBefore }
    }),
  operation: ({ client, connectOptions }) =>
    Effect.scoped(
      Effect.flatMap(client.connect(connectOptions), (connection) => connection.handshakeComplete)
    ),
  afterwards: (stage, outcome) =>
    Effect.map(endedWell(stage), () => {
      const { memory, world, datagramsBefore } = stage
      // a ticket that was never on the wire can be used again
      if (world.cable!.forward.counters.entered > datagramsBefore) return assert.notEqual(outcome, "never")
      assert(memory.tickets.length > 0 && memory.token !== undefined, "the ticket is lost")
    })
}

const accepting: Sweep<Apart> = {
  name: "accept",
  stage: apart(),
  operation: ({ server }) => server.accept,
  meanwhile: ({ client, connectOptions }) =>
    Effect.andThen(Effect.ignore(client.connect(connectOptions)), Effect.sleep(300)),
  afterwards: ({ server }, outcome) =>
    Effect.gen(function* () {
      const next = yield* Effect.timeoutOption(server.accept, 100)
      assert.equal(next._tag, outcome === "done" ? "None" : "Some")
    })
}

interface Waiting extends Apart {
  readonly waiting: QuicConnection
}

const serving: Sweep<Waiting> = {
  name: "endpoint.serveStreams, and its handlers",
  // a client that is already connected and stays: only the server can end the connection
  stage: (world) =>
    Effect.gen(function* () {
      const stage = yield* apart()(world)
      return { ...stage, waiting: yield* stage.client.connect(stage.connectOptions) }
    }),
  operation: ({ server }) =>
    Effect.timeoutOption(
      server.serveStreams((stream) => Effect.andThen(Effect.sleep(10), echo(stream))),
      150
    ),
  meanwhile: ({ waiting }) =>
    Effect.gen(function* () {
      const stream = yield* waiting.openBidi
      yield* stream.write(text("one"))
      yield* stream.finish
      const answer = yield* Effect.result(Effect.timeout(readText(stream), 200))
      if (answer._tag === "Success") assert.equal(answer.success, "one")
    }).pipe(Effect.scoped),
  afterwards: ({ server, waiting }, outcome) =>
    Effect.gen(function* () {
      // not taken, so it must still be available
      const taken = yield* Effect.scoped(Effect.timeoutOption(server.accept, 100))
      assert(outcome === "interrupted" || taken._tag === (outcome === "done" ? "None" : "Some"))
      const { reason } = yield* Effect.timeout(waiting.closed, 1_000)
      assert(isClean(reason), `the client saw ${JSON.stringify(reason)}`)
    })
}

const clientPort = 6_000

const making = (name: string, operation: Sweep<Apart>["operation"]): Sweep<Apart> => ({
  name,
  stage: (world) =>
    Effect.map(apart()(world), (stage) => ({
      ...stage,
      // the port must be free again
      works: Effect.gen(function* () {
        const client = yield* makeEndpoint(world.client, pinned(stage.identity), { port: clientPort })
        yield* meet(client, stage.server, stage.connectOptions)
      })
    })),
  services: ({ world, identity }) => Layer.merge(world.client.layer, pinned(identity)),
  operation,
  afterwards: ({ world }) => Effect.sync(() => assert.equal(world.clientHost!.socketCount, 1))
})

const makings = [
  making("QuicEndpoint.make", ({ world }) =>
    QuicEndpoint.make({ host: world.client.host, port: clientPort })
  ),
  making("QuicEndpoint.make with a server and its preferred address", ({ world, identity }) =>
    QuicEndpoint.make({
      host: world.client.host,
      port: clientPort,
      server: {
        alpn: ["test"],
        identity,
        preferredAddress: { ipv4: { host: world.client.host, port: clientPort + 1 } }
      }
    })
  ),
  making("QuicEndpoint.layer, built and released", ({ world }) =>
    Effect.gen(function* () {
      const endpoint = yield* QuicEndpoint
      return yield* endpoint.tree
    }).pipe(Effect.provide(QuicEndpoint.layer({ host: world.client.host, port: clientPort })))
  )
]

const program: Sweep<Apart> = {
  name: "an endpoint, a connection and a stream, from bind to release",
  stage: apart(),
  services: ({ world, identity }) => Layer.merge(world.client.layer, pinned(identity)),
  operation: ({ world, connectOptions }) =>
    Effect.gen(function* () {
      const client = yield* QuicEndpoint.make({ host: world.client.host })
      const connection = yield* client.connect(connectOptions)
      const stream = yield* connection.openUni
      yield* stream.write(text("delivered on the way out"))
    }).pipe(Effect.scoped),
  meanwhile: ({ server }) =>
    Effect.gen(function* () {
      const connection = yield* server.accept
      const read = yield* Effect.result(Effect.flatMap(connection.acceptUni, readText))
      // either everything and the end of the stream, or no end
      if (read._tag === "Success") assert.equal(read.success, "delivered on the way out")
      const { reason } = yield* connection.closed
      assert(isClean(reason), `the server saw ${JSON.stringify(reason)}`)
    }).pipe(Effect.scoped, Effect.timeoutOption(1_500)),
  stride: 3
}

export const endpointSweeps: ReadonlyArray<Sweep<never>> = [
  ...makings,
  program,
  connecting("connect"),
  connecting("connect, after a Retry", { server: { retry: "always" } }),
  racing,
  returning,
  accepting,
  serving
] as never
