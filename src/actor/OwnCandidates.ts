/**
 * What an endpoint knows of its own addresses: those of its interfaces, and what bootstrap nodes have told.
 *
 * It owns one fiber, which watches the interfaces for as long as somebody watches this.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { InterfaceAddress, NetworkInterfacesShape } from "../capability/NetworkInterfaces.ts"
import type { CandidateSource, HostAddress, Observation, OwnAddresses } from "../nat/CandidateSource.ts"
import { AddressScope, addressScope } from "../wire/addressScope.ts"
import { isWildcard } from "../wire/destination.ts"
import { formatAddress, socketAddress } from "../wire/SocketAddress.ts"
import type { BootstrapSet } from "./BootstrapSet.ts"
import { Changes } from "./Changes.ts"
import type { EndpointActor } from "./EndpointActor.ts"

/** A machine may have any number of addresses, most of which lead nowhere. */
const MAX_HOSTS = 32

export class OwnCandidates implements CandidateSource {
  readonly changes = new Changes()
  private readonly endpoint: EndpointActor
  private readonly bootstraps: Pick<
    BootstrapSet,
    "observations" | "areAwaited" | "countCoordination" | "changes"
  >
  private readonly interfaces: NetworkInterfacesShape | undefined
  /** Undefined until they are known. */
  private here: ReadonlyArray<InterfaceAddress> | undefined = undefined

  constructor(
    endpoint: EndpointActor,
    bootstraps: OwnCandidates["bootstraps"],
    interfaces: NetworkInterfacesShape | undefined
  ) {
    this.endpoint = endpoint
    this.bootstraps = bootstraps
    this.interfaces = interfaces
    endpoint.branch.fork(this.follow, (cause) =>
      endpoint.report("the addresses of this host are not followed any more", cause)
    )
    bootstraps.changes.watch(() => this.changes.announce())
  }

  get current(): OwnAddresses {
    const isGathering =
      this.bootstraps.areAwaited || (this.interfaces !== undefined && this.here === undefined)
    return { hosts: this.hosts, observations: this.observations, isGathering }
  }

  watch(onChange: () => void): () => void {
    return this.changes.watch(onChange)
  }

  countCoordination(): void {
    this.bootstraps.countCoordination()
  }

  /** New connections use another socket now. */
  onSocketReplaced(): void {
    this.changes.announce()
  }

  private get follow(): Effect.Effect<void> {
    if (this.interfaces === undefined) return Effect.void
    return Stream.runForEach(this.interfaces.changes, (here) =>
      Effect.sync(() => {
        this.here = here
        this.changes.announce()
      })
    )
  }

  /** Those that others could send to, by which the widest come first. */
  private get hosts(): ReadonlyArray<HostAddress> {
    const { endpoint, here = [] } = this
    const { host, port, family } = endpoint.socket.localAddress
    const socket = endpoint.mainNumber
    if (!isWildcard(host)) return [{ address: endpoint.socket.localAddress, socket }]
    return here
      .filter((each) => !each.isLoopback && (family === 6 || each.family === 4))
      .flatMap(({ address }) => socketAddress(address, port) ?? [])
      .filter((address) => addressScope(address) > AddressScope.link)
      .sort((a, b) => addressScope(b) - addressScope(a))
      .slice(0, MAX_HOSTS)
      .map((address) => ({ address, socket }))
  }

  /** One of each observer, about the socket that is in use. */
  private get observations(): ReadonlyArray<Observation> {
    const latest = new Map<string, Observation>()
    for (const each of this.bootstraps.observations) {
      if (each.socket !== this.endpoint.mainNumber) continue
      const key = formatAddress(each.observer)
      const other = latest.get(key)
      if (other === undefined || other.atMicros < each.atMicros) latest.set(key, each)
    }
    return [...latest.values()]
  }
}
