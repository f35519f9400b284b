/** A chaos run as plain data: drawn from a seed, printed, replayed and shrunk. */
import type { FaultSchedule, LinkConditions, SimRuntime } from "../../layers/sim/index.ts"
import type { TransportOptions } from "../../src/index.ts"

/** The seed drives the run's randomness; the other fields describe what is run. */
export interface Scenario {
  readonly seed: string
  readonly interleaving: NonNullable<SimRuntime.SimOptions["interleaving"]>
  readonly server: ServerPlan
  readonly clients: ReadonlyArray<ClientPlan>
  readonly faults: FaultSchedule
  /** When all faults are over; from then on everything must finish. */
  readonly healAtMillis: number
}

export interface ServerPlan {
  readonly uplink: Partial<LinkConditions>
  readonly transport: TransportOptions
  readonly retry: "never" | "always" | "underLoad"
  readonly earlyData: boolean
}

export interface ClientPlan {
  /** How the client is attached: directly to the server, to the router in front of it, or behind a NAT on that router. */
  readonly way: "cable" | "router" | "nat"
  /** A second address with a link of its own, by the same way or, behind a NAT, to the router directly. */
  readonly second?: Partial<LinkConditions>
  readonly link: Partial<LinkConditions>
  readonly transport: TransportOptions
  readonly groups: ReadonlyArray<"x25519" | "secp256r1" | "x25519MlKem768">
  readonly visits: ReadonlyArray<Visit>
}

/** One connection and what both sides do on it. */
export interface Visit {
  readonly afterMillis: number
  readonly earlyData: boolean
  /** The client abandons the visit after this long, whatever its state. */
  readonly abandonAfterMillis?: number
  /** What the client does (`near`) and what the server does (`far`). */
  readonly near: ReadonlyArray<Task>
  readonly far: ReadonlyArray<Task>
  /** The code to close with immediately; undefined closes by leaving the scope. */
  readonly closeCode: number | undefined
}

export type Task = StreamTask | CallsTask | DatagramsTask | CommandTask | OpenPathTask | PathTask

interface Timed {
  readonly atMillis: number
  /** The task is interrupted after this long, whatever its state. */
  readonly cancelAfterMillis?: number
}

/**
 * - `echo`: sends bytes and reads them back
 * - `upload`, `download`: one direction only
 * - `resetUpload`: sends `at` bytes, then resets with `code` and delivers `deliver` of them
 * - `stopUpload`: the peer stops reading after `at` bytes with `code`
 * - `resetDownload`, `stopDownload`: the same with the roles swapped
 */
export type StreamKind =
  | "echo"
  | "upload"
  | "download"
  | "resetUpload"
  | "stopUpload"
  | "resetDownload"
  | "stopDownload"

export interface StreamTask extends Timed {
  readonly kind: StreamKind
  readonly tag: number
  readonly bytes: number
  /** The size of each read and write, and how long the writer pauses in between. */
  readonly chunk: number
  readonly pauseMillis: number
  readonly at: number
  readonly deliver: number
  readonly code: number
  readonly priority: number
}

/** Small echoes, `concurrency` at a time. */
export interface CallsTask extends Timed {
  readonly kind: "calls"
  readonly tag: number
  readonly bytes: number
  readonly count: number
  readonly concurrency: number
}

export interface DatagramsTask extends Timed {
  readonly kind: "datagrams"
  readonly tag: number
  readonly bytes: number
  readonly count: number
  readonly pauseMillis: number
}

/** An operation on the connection itself. */
export interface CommandTask extends Timed {
  readonly kind: "migrate" | "rotateIds" | "updateKeys" | "ping"
  readonly tag: number
}

/** The client opens a path, and abandons it after a while, or leaves it. */
export interface OpenPathTask extends Timed {
  readonly kind: "openPath"
  readonly tag: number
  /** The address to open it from; undefined for whichever the system picks. */
  readonly host?: string
  readonly status: "available" | "backup"
  readonly abandonAfterMillis?: number
}

/** Does something to a path that exists by then: the `index`th of those that are open, counted round. */
export interface PathTask extends Timed {
  readonly kind: "abandonPath" | "pathBackup" | "pathAvailable"
  readonly tag: number
  readonly index: number
}

/** Names of the network's parts, used by faults. */
export const names = {
  server: "server",
  router: "router",
  uplink: "uplink",
  client: (index: number): string => `client${index}`,
  link: (index: number): string => `link${index}`,
  second: (index: number): string => `second${index}`,
  nat: (index: number): string => `nat${index}`
} as const

export const addresses = {
  server: "10.0.0.1",
  client: (index: number): string => `10.1.${index}.1`,
  /** A client's address after its `n`th move. */
  moved: (index: number, n: number): string => `10.1.${index}.${1 + n}`,
  second: (index: number): string => `10.2.${index}.1`,
  nat: (index: number): string => `192.0.2.${index + 1}`
} as const
