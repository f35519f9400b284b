/** Our implementation, through its public API; each run of a task is one Effect in a process-wide scope. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { TicketStore, type TicketStoreShape } from "../../src/capability/TicketStore.ts"
import { QuicEndpoint, type QuicConnection, type QuicStream, type Resumption } from "../../src/index.ts"
import { answerCall, call } from "./calls.ts"
import { certificate } from "./identity.ts"
import {
  CALL_BYTES,
  openAndHold,
  seconds,
  type System,
  type Task,
  timeCalls,
  timeFirstBytes,
  timeHandshakes
} from "./system.ts"
import { layerWithoutTrust } from "../io.ts"

/** Stream limit for the hold tasks; far above a service's. */
const MANY_STREAMS = 1_000_000

const transportOf = (task: Task) => ({
  maxBidirectionalStreams: MANY_STREAMS,
  maxIdleTimeout: 600_000,
  ...(task.kind !== "bulk"
    ? { initialDatagramBytes: 1452 }
    : task.datagramBytes === "discovered"
      ? { maxDatagramBytes: 65_507 }
      : { initialDatagramBytes: task.datagramBytes, maxDatagramBytes: task.datagramBytes })
})

const request = new Uint8Array(CALL_BYTES).fill(1)

/** Lives as long as the process. */
const scope = Scope.makeUnsafe()

const build = async () => {
  const { identity } = await certificate()
  const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  return Effect.runPromise(Layer.buildWithScope(Layer.merge(layerWithoutTrust, trust), scope))
}

let services: ReturnType<typeof build> | undefined
type Services = Awaited<ReturnType<typeof build>> extends Context.Context<infer S> ? S : never

const run = async <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Services>): Promise<A> => {
  const context = await (services ??= build())
  return Effect.runPromise(Effect.provide(Scope.provide(effect, scope), context))
}

/** Counts what arrives, in a buffer that only a transfer is worth: one for each call would keep collections busy. */
const answerTransfer = Effect.fnUntraced(function* (stream: QuicStream) {
  const buffer = new Uint8Array(65_536)
  let received = 0
  for (let n = yield* stream.readInto(buffer); n !== undefined; n = yield* stream.readInto(buffer))
    received += n
  yield* stream.write(new TextEncoder().encode(String(received)))
  yield* stream.finish
})

const serve = Effect.fnUntraced(function* (task: Task) {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    server: { alpn: ["bench"], identity, transport: transportOf(task), earlyData: task.kind === "firstByte" }
  })
  yield* Effect.forkScoped(server.serveStreams(task.kind === "bulk" ? answerTransfer : answerCall))
  return server.localAddress.port
})

const dialer = Effect.fnUntraced(function* (task: Task, earlyData: boolean) {
  const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
  return client.connect({
    host: "127.0.0.1",
    port: task.port,
    serverName: "localhost",
    alpn: ["bench"],
    transport: transportOf(task),
    earlyData
  })
})

const bulk = Effect.fnUntraced(function* (connection: QuicConnection, bytes: number) {
  const chunk = new Uint8Array(65_536)
  const startedAt = performance.now()
  const before = connection.stats.datagramsSent
  const cpu = process.cpuUsage()
  const stream = yield* connection.openBidi
  for (let sent = 0; sent < bytes; sent += chunk.length) yield* stream.write(chunk)
  yield* stream.finish
  yield* stream.read()
  const { user, system } = process.cpuUsage(cpu)
  const elapsed = seconds(startedAt)
  const { datagramsSent, datagramBytes } = connection.stats
  const datagrams = datagramsSent - before
  return {
    values: {
      bitsPerSecond: (8 * bytes) / elapsed,
      cpuMicrosPerDatagram: (user + system) / datagrams,
      datagrams,
      datagramBytes
    }
  }
})

/** Writes one byte and leaves the stream open. */
const holdStream = (connection: QuicConnection) =>
  Effect.runPromise(
    Scope.provide(
      Effect.flatMap(connection.openBidi, (stream) => stream.write(new Uint8Array(1))),
      scope
    )
  )

/** Tickets by the thousand, none of which is used unless the task says so. */
class Tickets {
  private readonly kept: Array<Resumption.SessionTicket> = []
  private arrived = Promise.withResolvers<void>()
  resume = false

  readonly store: TicketStoreShape = {
    take: () =>
      Effect.sync(() => ({ ticket: this.resume ? this.kept.pop() : undefined, addressToken: undefined })),
    putTicket: (_server, ticket) =>
      Effect.sync(() => {
        if (this.resume) return
        this.kept.push(ticket)
        this.arrived.resolve()
      }),
    putAddressToken: () => Effect.void
  }

  /** Waits for a ticket since the last call. */
  async next(): Promise<void> {
    await this.arrived.promise
    this.arrived = Promise.withResolvers()
  }
}

const tickets = new Tickets()

const handshake = async (
  task: Extract<Task, { kind: "handshake" }>,
  dial: Effect.Effect<QuicConnection, unknown, Scope.Scope>
): Promise<void> => {
  const each = Scope.makeUnsafe()
  const { facts } = await Effect.runPromise(Scope.provide(dial, each))
  if (facts.resumed !== tickets.resume) throw new Error("a session was not resumed")
  if (task.tickets === "collect") await tickets.next()
  await Effect.runPromise(Scope.close(each, Exit.void))
}

/** Milliseconds from connecting to the first byte of the response. */
const firstByte = (dial: Effect.Effect<QuicConnection, unknown, Scope.Scope>): Promise<number> =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    const connection = yield* dial
    const stream = yield* connection.openBidi
    yield* stream.write(request)
    yield* stream.finish
    yield* stream.read()
    const millis = performance.now() - startedAt
    // responses sent after the handshake follow the session ticket, so reading one means the ticket has arrived
    yield* connection.handshakeComplete
    yield* call(connection)
    return millis
  }).pipe(Effect.scoped, Effect.runPromise)

type Dialer = Promise<Effect.Success<ReturnType<typeof dialer>>>
let holder: Dialer | undefined

export const effectQuic: System = {
  resumes: true,
  kinds: ["bulk", "call", "handshake", "firstByte", "holdConnections", "holdStreams"],
  serve: (task) => run(serve(task)),
  run: async (task) => {
    // a new endpoint has no session to resume, so its first handshake is a full one
    if (task.kind === "firstByte")
      return timeFirstBytes(task.count, async () => firstByte(await run(dialer(task, false))))
    if (task.kind === "holdConnections" || task.kind === "holdStreams") {
      const dial = await (holder ??= run(dialer(task, false)))
      if (task.kind === "holdConnections") return openAndHold(task.count, () => run(dial))
      const connection = await run(dial)
      return openAndHold(task.count, () => holdStream(connection))
    }
    const endpoint = dialer(task, false)
    const dial = await run(
      task.kind === "handshake" ? Effect.provideService(endpoint, TicketStore, tickets.store) : endpoint
    )
    if (task.kind === "handshake") {
      tickets.resume = task.tickets === "use"
      return timeHandshakes(task.count, () => handshake(task, dial))
    }
    const connection = await run(dial)
    return task.kind === "bulk"
      ? run(bulk(connection, task.bytes))
      : timeCalls(task.calls, () => Effect.runPromise(call(connection)))
  }
}

/** The same for a returning client that sends 0-RTT data. */
export const effectQuicEarly: System = {
  kinds: ["firstByte"],
  serve: effectQuic.serve,
  run: async (task) => {
    const dial = await run(dialer(task, true))
    await firstByte(dial)
    return task.kind === "firstByte"
      ? timeFirstBytes(task.count, () => firstByte(dial))
      : Promise.reject(new Error(`0-RTT has no ${task.kind} task`))
  }
}
