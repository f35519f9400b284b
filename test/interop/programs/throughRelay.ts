/**
 * Two of iroh's endpoints, which know nothing of each other but their keys and our relay. Emits a line of JSON for each
 * thing they have done.
 */
import { randomBytes } from "node:crypto"
import { type Connection, type Endpoint, EndpointAddr } from "@number0/iroh"
import * as Effect from "effect/Effect"
import { layer, RelayServer } from "../../../layers/node/index.ts"
import { alpn, askEcho, bind, echo, emit } from "./iroh.ts"
import { fail, leave } from "./program.ts"

// stdin ends when the parent dies
process.stdin.on("end", () => process.exit(1)).resume()

const sent = randomBytes(1_000_000)

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Echoes one stream of each connection. */
const serve = async (endpoint: Endpoint): Promise<void> => {
  for (;;) {
    const incoming = await endpoint.acceptNext()
    if (incoming === null) return
    const connection = await (await incoming.accept()).connect()
    await echo(connection)
  }
}

/** Connects by key and relay alone, and sends `sent` there and back. */
const exchange = async (from: Endpoint, to: Endpoint, relay: string): Promise<Connection> => {
  const connection = await from.connect(new EndpointAddr(to.id(), relay), alpn)
  if (!connection.paths().some(({ isRelay }) => isRelay)) throw new Error("it did not connect by the relay")
  await askEcho(connection, sent)
  return connection
}

const untilDirect = async (connection: Connection): Promise<void> => {
  while (!connection.paths().some(({ isIp, isSelected }) => isIp && isSelected)) await sleep(20)
}

type Relay = RelayServer.RelayServerShape
const statistics = (relay: Relay) => Effect.runSync(relay.statistics)

const untilBack = async (relay: Relay): Promise<void> => {
  while (statistics(relay).clients < 2) await sleep(20)
}

const first = (relay: Relay) =>
  Effect.promise(async () => {
    const [alice, bob] = await Promise.all([bind(relay.url), bind(relay.url)])
    void serve(bob).catch(fail)
    const startedAt = performance.now()
    const connection = await exchange(alice, bob, relay.url)
    await untilDirect(connection)
    const millis = Math.round(performance.now() - startedAt)
    const { authenticated, forwarded, forwardedBytes } = statistics(relay)
    if (authenticated !== 2 || forwarded === 0) throw new Error("the relay has carried nothing")
    connection.close(0n, [])
    emit({ event: "direct", millis, forwardedBytes })
    return [alice, bob] as const
  })

const again = (relay: Relay, alice: Endpoint, bob: Endpoint) =>
  Effect.promise(async () => {
    await untilBack(relay)
    // alice remembers where bob is; a newcomer knows the relay alone
    const carol = await bind(relay.url)
    const connection = await exchange(carol, bob, relay.url)
    connection.close(0n, [])
    emit({ event: "back" })
    await Promise.all([alice, bob, carol].map((endpoint) => endpoint.close()))
  })

const program = Effect.gen(function* () {
  const where = { host: "127.0.0.1", port: 0 }
  const [port, alice, bob] = yield* Effect.scoped(
    Effect.gen(function* () {
      const relay = yield* RelayServer.make(where)
      const endpoints = yield* first(relay)
      yield* relay.drain({ reconnectIn: 100, tryFor: 10_000, deadline: 2000 })
      return [relay.address.port, ...endpoints] as const
    })
  )
  const relay = yield* RelayServer.make({ ...where, port })
  yield* again(relay, alice, bob)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer))).then(leave, ({ message }) =>
  fail(message)
)
