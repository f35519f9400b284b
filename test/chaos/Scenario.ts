/** What a chaos run consists of, as plain data: a scenario is drawn from a seed, printed, replayed and made smaller. */
import type { FaultSchedule, LinkConditions, SimRuntime } from "../../layers/sim/index.ts"
import type { TransportOptions } from "../../src/index.ts"

/** The seed and nothing else decides how a scenario goes; everything else decides what it is. */
export interface Scenario {
  readonly seed: string
  readonly interleaving: NonNullable<SimRuntime.SimOptions["interleaving"]>
  readonly server: ServerPlan
  readonly clients: ReadonlyArray<ClientPlan>
  readonly faults: FaultSchedule
  /** When every fault is over: from then on everything must come to an end. */
  readonly healAtMillis: number
}

export interface ServerPlan {
  readonly uplink: Partial<LinkConditions>
  readonly transport: TransportOptions
  readonly retry: "never" | "always" | "underLoad"
  readonly earlyData: boolean
}

export interface ClientPlan {
  /** A cable to the server itself, or to the router in front of it, or to a NAT in front of that. */
  readonly way: "cable" | "router" | "nat"
  readonly link: Partial<LinkConditions>
  readonly transport: TransportOptions
  readonly groups: ReadonlyArray<"x25519" | "secp256r1" | "x25519MlKem768">
  readonly visits: ReadonlyArray<Visit>
}

/** One connection, and what both sides do over it. */
export interface Visit {
  readonly afterMillis: number
  readonly earlyData: boolean
  /** The client thinks better of it after so long, wherever it is by then, and leaves at once. */
  readonly abandonAfterMillis?: number
  /** What the client does, and what the server does. */
  readonly near: ReadonlyArray<Task>
  readonly far: ReadonlyArray<Task>
  /** A code to close with at once; undefined closes by leaving the scope. */
  readonly closeCode: number | undefined
}

export type Task = StreamTask | CallsTask | DatagramsTask | CommandTask

interface Timed {
  readonly atMillis: number
  /** Gives up after so long, wherever it is by then. */
  readonly cancelAfterMillis?: number
}

/**
 * - `echo`: sends, and reads the same back
 * - `upload`, `download`: one way
 * - `resetUpload`: sends `at` bytes, then resets with `code`, delivering `deliver` of them
 * - `stopUpload`: the peer stops reading after `at` bytes with `code`
 * - `resetDownload`, `stopDownload`: the same with the sides exchanged
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
  /** How much is written, and read, at once, and how long the writer waits in between. */
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

/** Something done to the connection itself. */
export interface CommandTask extends Timed {
  readonly kind: "migrate" | "rotateIds" | "updateKeys" | "ping"
  readonly tag: number
}

/** Names of the network's parts, for faults. */
export const names = {
  server: "server",
  router: "router",
  uplink: "uplink",
  client: (index: number): string => `client${index}`,
  link: (index: number): string => `link${index}`,
  nat: (index: number): string => `nat${index}`
} as const

export const addresses = {
  server: "10.0.0.1",
  client: (index: number): string => `10.1.${index}.1`,
  /** Where a client is after its `n`th change of address. */
  moved: (index: number, n: number): string => `10.1.${index}.${1 + n}`,
  nat: (index: number): string => `192.0.2.${index + 1}`
} as const
