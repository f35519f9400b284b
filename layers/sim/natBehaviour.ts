/** NAT behaviour for UDP, in the terms of RFC 4787. */
import { checkFields, checkInteger, checkOneOf, checkRange, SimConfigError } from "./simConfig.ts"

/**
 * What a decision depends on: only the inside endpoint, also the remote address, or also the remote port.
 *
 * @category models
 * @since 0.1.0
 */
export type Dependence = "endpointIndependent" | "addressDependent" | "addressAndPortDependent"

/**
 * How a NAT maps and filters UDP. RFC 4787
 *
 * @category models
 * @since 0.1.0
 */
export interface NatBehaviour {
  /** When an inside endpoint gets a different outside port. RFC 4787 §4.1 */
  readonly mapping: Dependence
  /** Who may send to an outside port: anyone, addresses sent to, or endpoints sent to. RFC 4787 §5 */
  readonly filtering: Dependence
  /** The port of a new mapping: the inside port if free, the next one, or a random one. RFC 4787 §4.2 */
  readonly ports: "preserving" | "sequential" | "random"
  /**
   * With sequential ports: how many at most are passed over before the next, as if others behind the NAT had taken them.
   * Default 0; drawn for each mapping, 0 to 1000.
   */
  readonly skippedPorts: number
  /** Whether inside hosts can reach each other through outside addresses. RFC 4787 §6 */
  readonly hairpinning: boolean
  /** Idle timeout of a mapping. Default two minutes, the minimum of RFC 4787 §4.3; 1 ms to one day. */
  readonly mappingTimeoutMillis: number
  /** Whether inbound packets refresh a mapping; outbound ones always do. RFC 4787 §4.3 */
  readonly inboundRefresh: boolean
  /** First outside port, up to `lastPort`. 1 to 65,535. */
  readonly firstPort: number
  /** Last outside port, from `firstPort` to 65,535. */
  readonly lastPort: number
  /** Maximum number of mappings. Default 16,384; 1 to a million. */
  readonly maxMappings: number
}

const common = {
  ports: "preserving",
  skippedPorts: 0,
  hairpinning: false,
  mappingTimeoutMillis: 120_000,
  inboundRefresh: false,
  firstPort: 1024,
  lastPort: 65_535,
  maxMappings: 16_384
} as const

/**
 * The common name of a kind of NAT.
 *
 * @category models
 * @since 0.1.0
 */
export type NatKind =
  /** One outside port for all remotes; anyone may send to it. */
  | "fullCone"
  /** One outside port for all remotes; addresses sent to may reply. */
  | "addressRestricted"
  /** One outside port for all remotes; endpoints sent to may reply. The default. */
  | "portRestricted"
  /** A different outside port per remote endpoint, sequentially assigned; only that endpoint may reply. */
  | "symmetric"
  /** Like `symmetric`, but with random ports. */
  | "symmetricRandom"

/**
 * The kinds of NAT by their common names, which RFC 4787 §3 calls confusing.
 *
 * @category constants
 * @since 0.1.0
 */
export const natKinds: Readonly<Record<NatKind, NatBehaviour>> = {
  fullCone: { ...common, mapping: "endpointIndependent", filtering: "endpointIndependent" },
  addressRestricted: { ...common, mapping: "endpointIndependent", filtering: "addressDependent" },
  portRestricted: { ...common, mapping: "endpointIndependent", filtering: "addressAndPortDependent" },
  symmetric: {
    ...common,
    mapping: "addressAndPortDependent",
    filtering: "addressAndPortDependent",
    ports: "sequential"
  },
  symmetricRandom: {
    ...common,
    mapping: "addressAndPortDependent",
    filtering: "addressAndPortDependent",
    ports: "random"
  }
}

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
  checkInteger(`${name}.skippedPorts`, behaviour.skippedPorts, 0, 1000)
  for (const field of ["hairpinning", "inboundRefresh"] as const) {
    if (typeof behaviour[field] !== "boolean")
      throw new SimConfigError(`${name}.${field}`, "must be true or false")
  }
  checkRange(`${name}.mappingTimeoutMillis`, behaviour.mappingTimeoutMillis, 1, 86_400_000)
  checkInteger(`${name}.firstPort`, behaviour.firstPort, 1, 65_535)
  checkInteger(`${name}.lastPort`, behaviour.lastPort, behaviour.firstPort, 65_535)
  checkInteger(`${name}.maxMappings`, behaviour.maxMappings, 1, 1_000_000)
}
