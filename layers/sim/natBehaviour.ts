/** How a NAT treats UDP, in the terms of RFC 4787. */
import { checkFields, checkInteger, checkOneOf, checkRange, SimConfigError } from "./simConfig.ts"

/** What a decision depends on: the inside endpoint alone, the address it talks to, or that and the port. */
export type Dependence = "endpointIndependent" | "addressDependent" | "addressAndPortDependent"

export interface NatBehaviour {
  /** For what an inside endpoint gets another outside port. RFC 4787 §4.1 */
  readonly mapping: Dependence
  /** Who may send to an outside port: anybody, addresses that were sent to, or endpoints that were. RFC 4787 §5 */
  readonly filtering: Dependence
  /** The port a new mapping gets: the inside one if it is free, the next, or any. RFC 4787 §4.2 */
  readonly ports: "preserving" | "sequential" | "random"
  /** Whether inside hosts reach each other through outside addresses. RFC 4787 §6 */
  readonly hairpinning: boolean
  /** How long a mapping lasts without traffic. Default two minutes, the least allowed by RFC 4787 §4.3; 1 to a day. */
  readonly mappingTimeoutMillis: number
  /** Whether what comes in keeps a mapping, too; what goes out always does. RFC 4787 §4.3 */
  readonly inboundRefresh: boolean
  /** Ports are given from here to `lastPort`. 1 to 65,535. */
  readonly firstPort: number
  readonly lastPort: number
  /** A full table refuses new mappings. Default 16,384; 1 to a million. */
  readonly maxMappings: number
}

const common = {
  ports: "preserving",
  hairpinning: false,
  mappingTimeoutMillis: 120_000,
  inboundRefresh: false,
  firstPort: 1024,
  lastPort: 65_535,
  maxMappings: 16_384
} as const

/** The kinds of NAT by their customary names, which RFC 4787 §3 calls confusing and everybody uses. */
export const natKinds = {
  /** One outside port for everybody, and everybody may answer. */
  fullCone: { ...common, mapping: "endpointIndependent", filtering: "endpointIndependent" },
  /** One outside port for everybody; the addresses that were sent to may answer. */
  addressRestricted: { ...common, mapping: "endpointIndependent", filtering: "addressDependent" },
  /** One outside port for everybody; the endpoints that were sent to may answer. The default. */
  portRestricted: { ...common, mapping: "endpointIndependent", filtering: "addressAndPortDependent" },
  /** Another outside port for everybody, the next one each time; only they may answer. */
  symmetric: {
    ...common,
    mapping: "addressAndPortDependent",
    filtering: "addressAndPortDependent",
    ports: "sequential"
  },
  /** As `symmetric`, but the ports cannot be guessed. */
  symmetricRandom: {
    ...common,
    mapping: "addressAndPortDependent",
    filtering: "addressAndPortDependent",
    ports: "random"
  }
} as const satisfies Record<string, NatBehaviour>

const dependences: ReadonlyArray<Dependence> = [
  "endpointIndependent",
  "addressDependent",
  "addressAndPortDependent"
]

export const checkNat = (name: string, behaviour: NatBehaviour): void => {
  checkFields(name, behaviour, Object.keys(natKinds.fullCone))
  checkOneOf(`${name}.mapping`, behaviour.mapping, dependences)
  checkOneOf(`${name}.filtering`, behaviour.filtering, dependences)
  checkOneOf(`${name}.ports`, behaviour.ports, ["preserving", "sequential", "random"])
  for (const field of ["hairpinning", "inboundRefresh"] as const) {
    if (typeof behaviour[field] !== "boolean")
      throw new SimConfigError(`${name}.${field}`, "must be true or false")
  }
  checkRange(`${name}.mappingTimeoutMillis`, behaviour.mappingTimeoutMillis, 1, 86_400_000)
  checkInteger(`${name}.firstPort`, behaviour.firstPort, 1, 65_535)
  checkInteger(`${name}.lastPort`, behaviour.lastPort, behaviour.firstPort, 65_535)
  checkInteger(`${name}.maxMappings`, behaviour.maxMappings, 1, 1_000_000)
}
