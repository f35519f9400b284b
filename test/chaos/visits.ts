/** What a client does, visit after visit, what the server does in return, and which failures the faults explain. */
import { coreOf } from "../inspect.ts"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Connection } from "../../src/connection/Connection.ts"
import type { QuicConnection, QuicEndpointShape, QuicError } from "../../src/index.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import type { Invariants } from "./invariants.ts"
import type { Ledger } from "./Ledger.ts"
import { type ClientPlan, names, type Scenario, type Visit } from "./Scenario.ts"
import { serveDatagrams, serveStream } from "./serving.ts"
import { invite, runTasks } from "./tasks.ts"
import { connectOptions } from "./world.ts"

export interface VisitContext {
  readonly scenario: Scenario
  readonly ledger: Ledger
  readonly invariants: Invariants
  readonly client: QuicEndpointShape
  readonly index: number
  readonly plan: ClientPlan
}

export const runVisits = (context: VisitContext): Effect.Effect<void> =>
  Effect.forEach(
    context.plan.visits,
    (visit) => Effect.andThen(Effect.sleep(visit.afterMillis), runVisit(context, visit)),
    { discard: true }
  )

/** Until a client whose only interface is down tries again. */
const RETRY_MILLIS = 200

/** One visit, repeated after a crash, and until the client has an interface. */
const runVisit = (context: VisitContext, visit: Visit): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { ledger, invariants, client, plan } = context
    const start = yield* nowMillis
    let core: Connection | undefined
    const tasks = Effect.gen(function* () {
      const connection = yield* client.connect(connectOptions(plan, visit.earlyData))
      core = coreOf(connection)
      invariants.watch(core)
      yield* Effect.forkScoped(Effect.ignore(connection.serveStreams(serveStream(ledger, connection))))
      yield* Effect.forkScoped(serveDatagrams(ledger, connection))
      const own = runTasks(ledger, connection, visit.near)
      yield* Effect.all([own, invite(connection, visit.far)], { concurrency: "unbounded" })
      if (visit.closeCode !== undefined) yield* connection.closeNow(visit.closeCode, "enough")
    })
    const end = yield* Effect.result(
      visit.abandonAfterMillis === undefined
        ? Effect.scoped(tasks)
        : abandon(Effect.scoped(tasks), visit.abandonAfterMillis, () => ledger.abandoned.add(visit))
    )
    if (Result.isSuccess(end)) {
      // a closing client answers for only three PTOs: a server that missed its close keeps waiting for the handshake
      if (core?.handshake.confirmed === false) ledger.unconfirmed++
      const confirmedAt = (core && invariants.confirmedAtMillis(core)) ?? (yield* nowMillis)
      // a first flight that the server takes before a crash, and whose answers are lost, is new to the restarted one
      if (visit.earlyData && hasCrashed(context, start, confirmedAt)) ledger.repeats++
      return
    }
    const now = yield* nowMillis
    if (core === undefined && end.failure.reason._tag === "Unreachable" && wasDown(context, start, now)) {
      yield* Effect.sleep(RETRY_MILLIS)
      return yield* runVisit(context, visit)
    }
    if (hasCrashed(context, start, now) && isAfterCrash(end.failure)) {
      ledger.repeats++
      return yield* runVisit(context, visit)
    }
    if (end.failure.reason._tag === "VersionMismatch" && hasCorruption(context.scenario)) {
      ledger.repeats++
      return yield* runVisit(context, visit)
    }
    const confirmed = (core && invariants.confirmedAtMillis(core)) ?? now
    // RFC 9000 §9: QUIC relies on stable addresses during the handshake
    if (hasMoved(context, start, confirmed) || isWithoutPath(end.failure)) ledger.excused.add(visit)
    else ledger.violate(`a visit ended: ${end.failure.message}`)
  })

/** Interrupts an effect after `millis`; calls `onAbandon` first. */
const abandon = <A, E, R>(effect: Effect.Effect<A, E, R>, millis: number, onAbandon: () => void) =>
  Effect.raceFirst(effect, Effect.andThen(Effect.sleep(millis), Effect.sync(onAbandon)))

const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const hasMoved = ({ scenario, index }: VisitContext, fromMillis: number, toMillis: number): boolean =>
  scenario.faults.some(({ atMillis, fault }) => {
    if (atMillis < fromMillis || atMillis > toMillis) return false
    if (fault.kind === "rebind") return fault.nat === names.nat(index)
    return fault.kind === "changeAddress" && fault.host === names.client(index)
  })

/** Whether the client had no interface at any time in the interval. */
const wasDown = ({ scenario, index }: VisitContext, fromMillis: number, toMillis: number): boolean =>
  scenario.faults.some(
    ({ atMillis, fault }) =>
      fault.kind === "interfaceDown" &&
      fault.host === names.client(index) &&
      atMillis <= toMillis &&
      atMillis + (fault.forMillis ?? 0) >= fromMillis
  )

/** Whether the server was down at any time in the interval. */
const hasCrashed = ({ scenario }: VisitContext, fromMillis: number, toMillis: number): boolean =>
  scenario.faults.some(
    ({ atMillis, fault }) =>
      fault.kind === "crash" &&
      fault.host === names.server &&
      atMillis <= toMillis &&
      atMillis + (fault.forMillis ?? 0) >= fromMillis
  )

/** Version Negotiation is not protected: without the UDP checksum a flipped bit goes undetected. RFC 8999 §6 */
const hasCorruption = ({ server, clients, faults }: Scenario): boolean =>
  [server.uplink, ...clients.map(({ link }) => link)].some(({ corruptRate = 0 }) => corruptRate > 0) ||
  faults.some(({ fault }) => fault.kind === "conditions" && (fault.conditions.corruptRate ?? 0) > 0)

/** The restarted server has lost its connections and token keys, and says nothing to what is left of a handshake. */
const isAfterCrash = ({ reason }: QuicError): boolean =>
  reason._tag === "IdleTimeout" ||
  reason._tag === "ConnectFailed" ||
  reason._tag === "HandshakeTimeout" ||
  reason._tag === "StatelessReset" ||
  (reason._tag === "TransportClosed" && reason.code === TransportErrorCode.INVALID_TOKEN)

/** Each side has abandoned the path that the other has left: neither could know. draft-ietf-quic-multipath §3.4 */
const isWithoutPath = ({ reason }: QuicError): boolean =>
  reason._tag === "TransportClosed" && reason.code === TransportErrorCode.NO_VIABLE_PATH

/** Serves a client's connection. */
export const serveConnection = (ledger: Ledger, invariants: Invariants, connection: QuicConnection) =>
  Effect.gen(function* () {
    invariants.watch(coreOf(connection))
    yield* Effect.forkScoped(serveDatagrams(ledger, connection))
    yield* connection.serveStreams(serveStream(ledger, connection)).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          if (isWithoutPath(error) && ledger.mayAbandonAll) return
          if (error.reason._tag === "HandshakeTimeout" || isWithoutPath(error))
            ledger.suspect(`the server's end: ${error.message}`)
          else if (!isExpected(error)) ledger.violate(`the server's end: ${error.message}`)
        })
      )
    )
  })

/**
 * Clients close with application codes, which become APPLICATION_ERROR before the handshake completes (RFC 9000 §10.2.3);
 * when that is lost, they answer later packets with a stateless reset.
 */
const isExpected = ({ reason }: QuicError): boolean =>
  reason._tag === "ApplicationClosed" ||
  reason._tag === "StatelessReset" ||
  (reason._tag === "TransportClosed" && reason.code === TransportErrorCode.APPLICATION_ERROR)
