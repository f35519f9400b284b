/**
 * Two hosts, each behind a router that is a NAT of some kind, and a public server with three addresses:
 *
 *     client  192.168.1.2 ── 192.168.1.1  router  203.0.113.1 ┐
 *                                                             ├ bridge ── 203.0.113.10, .11, .12  public
 *     server  192.168.2.2 ── 192.168.2.1  router  203.0.113.2 ┘
 *
 * A host without NAT has an address of 198.51.100.0/24 or 198.51.101.0/24 instead, to which everybody has a route.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Role } from "../../../src/wire/Role.ts"
import type { Kind } from "../../nat/matrix.ts"
import { run, tryRun } from "../commands.ts"
import { namespace, namespaceName } from "../namespaces.ts"
import { natRules } from "./rules.ts"

/** Of the public server: the relay is at the first, bootstrap nodes are at the others. */
export const publicAddresses = ["203.0.113.10", "203.0.113.11", "203.0.113.12"] as const

interface Site {
  readonly host: string
  readonly router: string
  readonly number: 1 | 2
}

const sites = (): Readonly<Record<Role, Site>> => ({
  client: { host: namespaceName("nat-client"), router: namespaceName("nat-client-router"), number: 1 },
  server: { host: namespaceName("nat-server"), router: namespaceName("nat-server-router"), number: 2 }
})

export class NatNetwork {
  /** The namespace of the relay and the bootstrap nodes. */
  readonly public = namespaceName("nat-public")
  private readonly sites = sites()
  private readonly kinds: Record<Role, Kind> = { client: "none", server: "none" }
  /** How often each side has gone to another network. */
  private readonly moves: Record<Role, number> = { client: 0, server: 0 }

  /** Stands until the scope closes; without NATs at first. */
  static readonly make = Effect.gen(function* (): Effect.fn.Return<NatNetwork, never, Scope.Scope> {
    const network = new NatNetwork()
    const { client, server } = network.sites
    for (const name of [network.public, client.host, client.router, server.host, server.router]) {
      yield* namespace(name)
      yield* Effect.sync(() => run(`ip netns exec ${name} sysctl -qw net.ipv6.conf.all.disable_ipv6=1`))
    }
    yield* Effect.sync(() => network.connect())
    return network
  })

  /** The namespace of a side's host. */
  hostOf(role: Role): string {
    return this.sites[role].host
  }

  /** The host's own address. */
  insideOf(role: Role): string {
    const { number } = this.sites[role]
    const last = 2 + this.moves[role]
    return this.kinds[role] === "none" ? `198.51.${99 + number}.${last}` : `192.168.${number}.${last}`
  }

  /** The address that others see, unless there is no NAT. */
  outsideOf(role: Role): string {
    return `203.0.113.${this.sites[role].number + 20 * this.moves[role]}`
  }

  /** Puts a host behind such a NAT; what the one before knew is forgotten. */
  place(role: Role, kind: Kind): void {
    this.kinds[role] = kind
    this.address(role)
  }

  /** The side gets other addresses, inside and outside, as in somebody else's network. */
  move(role: Role): void {
    const { number, router } = this.sites[role]
    run(`ip -n ${router} addr del ${this.outsideOf(role)}/24 dev wan`)
    this.moves[role]++
    run(`ip -n ${router} addr add ${this.outsideOf(role)}/24 dev wan`)
    const own = `198.51.${99 + number}.0/24`
    for (const name of [this.public, this.routerOfOther(role)])
      run(`ip -n ${name} route replace ${own} via ${this.outsideOf(role)}`)
    run(`ip -n ${router} route replace ${this.publicSubnetOfOther(role)} via ${this.outsideOf(other(role))}`)
    this.address(role)
  }

  /** The NAT forgets whom it knows. */
  rebind(role: Role): void {
    run(`ip netns exec ${this.sites[role].router} conntrack -F`)
  }

  /** From now on UDP between both sides is dropped, and nobody is told. */
  cutDirect(): void {
    const all = publicAddresses.join(", ")
    const rules = `
table ip cut {
  chain passing {
    type filter hook forward priority filter - 1
    ip saddr { ${all} } accept
    ip daddr { ${all} } accept
    meta l4proto udp drop
  }
}`
    run(`ip netns exec ${this.sites.client.router} nft -f -`, rules)
  }

  /** Ends `cutDirect`. */
  mendDirect(): void {
    run(`ip netns exec ${this.sites.client.router} nft delete table ip cut`)
  }

  private routerOfOther(role: Role): string {
    return this.sites[other(role)].router
  }

  private publicSubnetOfOther(role: Role): string {
    return `198.51.${99 + this.sites[other(role)].number}.0/24`
  }

  private connect(): void {
    const { client, server } = this.sites
    run(`ip -n ${this.public} link add bridge type bridge`)
    run(`ip -n ${this.public} link set bridge up`)
    for (const address of publicAddresses) run(`ip -n ${this.public} addr add ${address}/24 dev bridge`)
    for (const [role, { host, router, number }] of Object.entries(this.sites)) {
      run(`ip -n ${router} link add wan type veth peer name ${role} netns ${this.public}`)
      run(`ip -n ${this.public} link set ${role} master bridge`)
      run(`ip -n ${this.public} link set ${role} gso_max_segs 1 up`)
      run(`ip -n ${router} addr add ${this.outsideOf(role as Role)}/24 dev wan`)
      run(`ip -n ${router} link set wan gso_max_segs 1 up`)
      run(`ip -n ${router} link add lan type veth peer name eth0 netns ${host}`)
      run(`ip -n ${router} addr add 192.168.${number}.1/24 dev lan`)
      run(`ip -n ${router} addr add 198.51.${99 + number}.1/24 dev lan`)
      run(`ip -n ${router} link set lan gso_max_segs 1 up`)
      run(`ip -n ${host} link set eth0 gso_max_segs 1 up`)
      run(`ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0`)
    }
    for (const [from, to] of [
      [client, server],
      [server, client]
    ]) {
      const towards = to.number === 1 ? this.outsideOf("client") : this.outsideOf("server")
      run(`ip -n ${from.router} route add 198.51.${99 + to.number}.0/24 via ${towards}`)
      run(`ip -n ${this.public} route add 198.51.${99 + to.number}.0/24 via ${towards}`)
    }
    for (const role of ["client", "server"] as const) this.address(role)
  }

  /** Gives the host its address, and the router its rules. */
  private address(role: Role): void {
    const { host, router, number } = this.sites[role]
    const inside = this.insideOf(role)
    const gateway = this.kinds[role] === "none" ? `198.51.${99 + number}.1` : `192.168.${number}.1`
    run(`ip -n ${host} addr flush dev eth0`)
    run(`ip -n ${host} addr add ${inside}/24 dev eth0`)
    run(`ip -n ${host} route replace default via ${gateway}`)
    run(`ip netns exec ${router} nft -f -`, natRules(this.kinds[role], inside, this.outsideOf(role)))
    tryRun(`ip netns exec ${router} conntrack -F`)
  }
}

const other = (role: Role): Role => (role === "client" ? "server" : "client")
