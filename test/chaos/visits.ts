/** What a client does, visit after visit, and what the server does for it; and which ends the faults explain. */
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

export interface Guest {
  readonly scenario: Scenario
  readonly ledger: Ledger
  readonly invariants: Invariants
  readonly client: QuicEndpointShape
  readonly index: number
  readonly plan: ClientPlan
}

export const stay = (guest: Guest): Effect.Effect<void> =>
  Effect.forEach(
    guest.plan.visits,
    (visit) => Effect.andThen(Effect.sleep(visit.afterMillis), pay(guest, visit)),
    { discard: true }
  )

/** One visit; after a crash it is made again. */
const pay = (guest: Guest, visit: Visit): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { ledger, invariants, client, plan } = guest
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
      // it stays for three of its PTOs to say so again: a server that never heard of its end waits for its handshake
      if (core?.handshake.confirmed === false) ledger.hasty++
      return
    }
    const now = yield* nowMillis
    if (hasCrashed(guest, start, now) && isAfterCrash(end.failure)) {
      ledger.repeats++
      return yield* pay(guest, visit)
    }
    if (end.failure.reason._tag === "VersionMismatch" && corrupts(guest.scenario)) {
      ledger.repeats++
      return yield* pay(guest, visit)
    }
    const confirmed = (core && invariants.confirmedAtMillis(core)) ?? now
    // RFC 9000 §9: QUIC relies on addresses that stay as they are during the handshake
    if (hasMoved(guest, start, confirmed)) ledger.excused.add(visit)
    else ledger.violate(`a visit ended: ${end.failure.message}`)
  })

/** Interrupts what takes longer; `onAbandon` is told before. */
const abandon = <A, E, R>(effect: Effect.Effect<A, E, R>, millis: number, onAbandon: () => void) =>
  Effect.raceFirst(effect, Effect.andThen(Effect.sleep(millis), Effect.sync(onAbandon)))

const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

const hasMoved = ({ scenario, index }: Guest, fromMillis: number, toMillis: number): boolean =>
  scenario.faults.some(({ atMillis, fault }) => {
    if (atMillis < fromMillis || atMillis > toMillis) return false
    if (fault.kind === "rebind") return fault.nat === names.nat(index)
    return fault.kind === "changeAddress" && fault.host === names.client(index)
  })

/** Whether the server was down at any time in between. */
const hasCrashed = ({ scenario }: Guest, fromMillis: number, toMillis: number): boolean =>
  scenario.faults.some(
    ({ atMillis, fault }) =>
      fault.kind === "crash" &&
      fault.host === names.server &&
      atMillis <= toMillis &&
      atMillis + (fault.forMillis ?? 0) >= fromMillis
  )

/** Version Negotiation is not protected: where UDP's checksum is left out, a flipped bit is believed. RFC 8999 §6 */
const corrupts = ({ server, clients, faults }: Scenario): boolean =>
  [server.uplink, ...clients.map(({ link }) => link)].some(({ corruptRate = 0 }) => corruptRate > 0) ||
  faults.some(({ fault }) => fault.kind === "conditions" && (fault.conditions.corruptRate ?? 0) > 0)

/** The server has forgotten the connection, or how to open its tokens. */
const isAfterCrash = ({ reason }: QuicError): boolean =>
  reason._tag === "IdleTimeout" ||
  reason._tag === "HandshakeTimeout" ||
  reason._tag === "StatelessReset" ||
  (reason._tag === "TransportClosed" && reason.code === TransportErrorCode.INVALID_TOKEN)

/** What the server does for a client. */
export const attend = (ledger: Ledger, invariants: Invariants, connection: QuicConnection) =>
  Effect.gen(function* () {
    invariants.watch(coreOf(connection))
    yield* Effect.forkScoped(serveDatagrams(ledger, connection))
    yield* connection.serveStreams(serveStream(ledger, connection)).pipe(
      Effect.catch((error) =>
        Effect.sync(() => {
          if (error.reason._tag === "HandshakeTimeout") ledger.suspect(`the server's end: ${error.message}`)
          else if (!isExpected(error)) ledger.violate(`the server's end: ${error.message}`)
        })
      )
    )
  })

/**
 * Clients close with codes of their own, which is APPLICATION_ERROR in a handshake that is not over (RFC 9000 §10.2.3);
 * when that is lost, they answer what still comes with a stateless reset.
 */
const isExpected = ({ reason }: QuicError): boolean =>
  reason._tag === "ApplicationClosed" ||
  reason._tag === "StatelessReset" ||
  (reason._tag === "TransportClosed" && reason.code === TransportErrorCode.APPLICATION_ERROR)
