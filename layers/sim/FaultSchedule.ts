/**
 * Schedules of network faults, as plain data that can be stored as JSON, printed, replayed and shrunk. A fault includes its
 * own duration, so that any subset of a schedule is a valid schedule.
 */
import { familyOf } from "../udp/hostLiteral.ts"
import { checkAddress } from "./IpPrefix.ts"
import { changed, type LinkConditions, perfectLink } from "./linkConditions.ts"
import { checkFields, checkOneOf, checkRange, SimConfigError } from "./simConfig.ts"

/**
 * Something that goes wrong. Refers to hosts, routers, NATs and connections by name.
 *
 * **Details**
 *
 * `forMillis` is the duration, 0 to 100 days; without it the fault is permanent.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | {
      /** Nodes in different groups cannot reach each other; nodes in no group reach all. */
      readonly kind: "partition"
      /** Names of nodes. */
      readonly groups: ReadonlyArray<ReadonlyArray<string>>
      /** Only packets from the first of two groups to the second are dropped. */
      readonly oneWay?: boolean
      /** How long; default for ever. */
      readonly forMillis?: number
    }
  | {
      /** Nothing passes the link. */
      readonly kind: "linkDown"
      /** Name of a connection. */
      readonly link: string
      /** Default both. */
      readonly direction?: "forward" | "backward"
      /** How long; default for ever. */
      readonly forMillis?: number
    }
  | {
      /** Overrides the conditions of the link; of overlapping faults the latest wins. */
      readonly kind: "conditions"
      /** Name of a connection. */
      readonly link: string
      /** Numbers must be finite, to be representable in JSON. */
      readonly conditions: Partial<LinkConditions>
      /** Default both. */
      readonly direction?: "forward" | "backward"
      /** How long; default for ever. */
      readonly forMillis?: number
    }
  | {
      /** See `SimHost.crash`; the host restarts afterwards. */
      readonly kind: "crash"
      /** Name of a host. */
      readonly host: string
      /** How long; default for ever. */
      readonly forMillis?: number
    }
  | {
      /** See `SimHost.changeAddress`. No effect if the host no longer has `from`, or already has `to`. */
      readonly kind: "changeAddress"
      /** Name of a host. */
      readonly host: string
      /** An address of it. */
      readonly from: string
      /** The address that replaces it. */
      readonly to: string
    }
  | {
      /** See `SimHost.takeDown`. No effect if no interface of the host that is up has the address. */
      readonly kind: "interfaceDown"
      /** Name of a host. */
      readonly host: string
      /** The address of the interface. */
      readonly address: string
      /** How long; default for ever. */
      readonly forMillis?: number
    }
  | {
      /** See `SimHost.jumpClock`. */
      readonly kind: "clockJump"
      /** Name of a host. */
      readonly host: string
      /** Forward, or back if negative. */
      readonly byMillis: number
    }
  | {
      /** See `SimNat.rebind`. */
      readonly kind: "rebind"
      /** Name of a NAT. */
      readonly nat: string
      /** Its new outside address; default the one it has. */
      readonly address?: string
    }

/**
 * A fault and when it begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScheduledFault {
  /** Time after the schedule is applied; 0 to 100 days. */
  readonly atMillis: number
  /** What goes wrong. */
  readonly fault: Fault
}

/**
 * Faults of a network, for `network.apply`. Plain data, representable as JSON.
 *
 * **Example** (A partition during a crash)
 *
 * ```ts
 * import type { FaultSchedule } from "effect-quic/layers/sim"
 *
 * const schedule: FaultSchedule = [
 *   { atMillis: 1_000, fault: { kind: "crash", host: "server", forMillis: 5_000 } },
 *   { atMillis: 2_000, fault: { kind: "partition", groups: [["client"], ["server"]], forMillis: 1_000 } }
 * ]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type FaultSchedule = ReadonlyArray<ScheduledFault>

/** The names a fault may refer to. */
export interface FaultNames {
  has(kind: "node" | "link" | "host" | "nat", name: string): boolean
  outsideAddresses(nat: string): ReadonlyArray<string>
}

const longestMillis = 100 * 86_400_000

/** Throws `SimConfigError` for the first invalid field, such as `schedule[3].fault.link`. */
export const checkSchedule = (schedule: FaultSchedule, names: FaultNames): void => {
  for (const [i, { atMillis, fault }] of schedule.entries()) {
    checkRange(`schedule[${i}].atMillis`, atMillis, 0, longestMillis)
    checkFault(`schedule[${i}].fault`, fault, names)
  }
}

export const checkFault = (field: string, fault: Fault, names: FaultNames): void => {
  const known = (name: "node" | "link" | "host" | "nat", at: string, value: string): void => {
    if (!names.has(name, value))
      throw new SimConfigError(`${field}.${at}`, `names no ${name} of the network: ${value}`)
  }
  checkOneOf(`${field}.kind`, fault.kind, Object.keys(fieldsOf))
  checkFields(field, fault, ["kind", ...fieldsOf[fault.kind]])
  if ("forMillis" in fault) checkRange(`${field}.forMillis`, fault.forMillis ?? 0, 0, longestMillis)
  if ("direction" in fault)
    checkOneOf(`${field}.direction`, fault.direction ?? "forward", ["forward", "backward"])
  switch (fault.kind) {
    case "partition": {
      const all = fault.groups.flat()
      for (const name of all) known("node", "groups", name)
      if (new Set(all).size < all.length) throw new SimConfigError(`${field}.groups`, "contains a node twice")
      if (fault.groups.length < 2 || (fault.oneWay === true && fault.groups.length > 2)) {
        throw new SimConfigError(`${field}.groups`, "must have two groups, or more if cut in both directions")
      }
      return
    }
    case "linkDown":
      return known("link", "link", fault.link)
    case "conditions":
      known("link", "link", fault.link)
      checkFinite(`${field}.conditions`, fault.conditions)
      changed(perfectLink, fault.conditions, `${field}.conditions`)
      return
    case "crash":
      return known("host", "host", fault.host)
    case "changeAddress":
      known("host", "host", fault.host)
      checkAddress(`${field}.from`, fault.from)
      checkAddress(`${field}.to`, fault.to)
      if (familyOf(fault.from) !== familyOf(fault.to)) {
        throw new SimConfigError(`${field}.to`, `is not of the same address family as ${fault.from}`)
      }
      return
    case "interfaceDown":
      known("host", "host", fault.host)
      return checkAddress(`${field}.address`, fault.address)
    case "clockJump":
      known("host", "host", fault.host)
      checkRange(`${field}.byMillis`, fault.byMillis, -longestMillis, longestMillis)
      return
    case "rebind":
      known("nat", "nat", fault.nat)
      if (fault.address === undefined) return
      checkAddress(`${field}.address`, fault.address)
      if (!names.outsideAddresses(fault.nat).some((own) => familyOf(own) === familyOf(fault.address!))) {
        throw new SimConfigError(
          `${field}.address`,
          `is of an address family in which ${fault.nat} has no address`
        )
      }
  }
}

const fieldsOf: Record<Fault["kind"], ReadonlyArray<string>> = {
  partition: ["groups", "oneWay", "forMillis"],
  linkDown: ["link", "direction", "forMillis"],
  conditions: ["link", "conditions", "direction", "forMillis"],
  crash: ["host", "forMillis"],
  changeAddress: ["host", "from", "to"],
  interfaceDown: ["host", "address", "forMillis"],
  clockJump: ["host", "byMillis"],
  rebind: ["nat", "address"]
}

const checkFinite = (field: string, value: object): void => {
  for (const [name, part] of Object.entries(value)) {
    if (typeof part === "object" && part !== null) checkFinite(`${field}.${name}`, part)
    else if (part === null || (typeof part === "number" && !Number.isFinite(part))) {
      throw new SimConfigError(`${field}.${name}`, `must be finite, and is ${part}`)
    }
  }
}
