/**
 * A client with two interfaces, a router, and a server, each in a network namespace of its own:
 *
 *     client  wifi 10.1.0.2 ── 10.1.0.1 ┐
 *                                       router  wan 203.0.113.1 ── 203.0.113.10  server
 *             lte  10.2.0.2 ── 10.2.0.1 ┘
 *
 * The router forwards at a limited rate from a queue that drops what does not fit; it may be a NAT, too.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Place } from "../interop/Peer.ts"
import { run } from "./commands.ts"
import { namespace, namespaceName } from "./namespaces.ts"

const serverAddress = "203.0.113.10"
/** 100 MB take four seconds. */
const rate = "rate 200mbit burst 32kb latency 20ms"

/** Where the client's interfaces are, and which of two ways out is the better one. */
const interfaces = {
  wifi: { subnet: "10.1.0", metric: 100 },
  lte: { subnet: "10.2.0", metric: 200 }
} as const

/** Of the client's second interface. */
export const secondAddress = `${interfaces.lte.subnet}.2`

/**
 * What leaves by `wan` gets an address and a random port of the router's. What comes back and was not asked for is dropped
 * rather than refused, as a packet of the server's that overtakes the client's next one must find a NAT that has forgotten.
 */
const natRules = `
table ip nat {
  chain translate {
    type nat hook postrouting priority srcnat
    oifname "wan" masquerade fully-random
  }
  chain unsolicited {
    type filter hook input priority filter
    iifname "wan" ct state new drop
  }
}`

const silent = `
table ip silence {
  chain wifi {
    type filter hook forward priority filter
    iifname "wifi" drop
    oifname "wifi" drop
  }
}`

const largerThan = (bytes: number): string => `
table ip mtu {
  chain swallow {
    type filter hook forward priority filter
    meta length > ${bytes} counter drop
  }
}`

export class Network {
  readonly client: Place
  readonly server: Place
  private readonly names: Readonly<Record<"client" | "router" | "server", string>>
  /** The last byte of the client's address on its first interface. */
  private hostNumber = 2

  private constructor(names: Network["names"]) {
    this.names = names
    const placeIn = (name: string): Place => ({
      launcher: ["ip", "netns", "exec", name],
      host: serverAddress
    })
    this.client = placeIn(names.client)
    this.server = placeIn(names.server)
  }

  /** Stands until the scope closes. */
  static readonly make = Effect.fnUntraced(function* (options: {
    readonly nat: boolean
  }): Effect.fn.Return<Network, never, Scope.Scope> {
    const names = {
      client: namespaceName("client"),
      router: namespaceName("router"),
      server: namespaceName("server")
    }
    for (const name of Object.values(names)) yield* namespace(name)
    const network = new Network(names)
    yield* Effect.sync(() => network.connect(options.nat))
    return network
  })

  private connect(nat: boolean): void {
    const { client, router, server } = this.names
    this.link(router, "wan", "203.0.113.1", server, "eth0", serverAddress)
    run(`ip -n ${server} route add default via 203.0.113.1`)
    for (const [name, { subnet }] of Object.entries(interfaces)) {
      this.link(router, name, `${subnet}.1`, client, name, `${subnet}.${this.hostNumber}`)
      this.routeBy(name as keyof typeof interfaces)
    }
    for (const name of ["wan", ...Object.keys(interfaces)])
      run(`ip netns exec ${router} tc qdisc add dev ${name} root tbf ${rate}`)
    run(`ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0`)
    if (nat) run(`ip netns exec ${router} nft -f -`, natRules)
  }

  private link(near: string, nearName: string, nearIp: string, far: string, farName: string, farIp: string) {
    run(`ip -n ${near} link add ${nearName} type veth peer name ${farName} netns ${far}`)
    run(`ip -n ${near} addr add ${nearIp}/24 dev ${nearName}`)
    run(`ip -n ${far} addr add ${farIp}/24 dev ${farName}`)
    // what a sender leaves to its network card to cut up is cut up before it is a packet of this network
    run(`ip -n ${near} link set ${nearName} gso_max_segs 1 up`)
    run(`ip -n ${far} link set ${farName} gso_max_segs 1 up`)
  }

  private routeBy(name: keyof typeof interfaces): void {
    const { subnet, metric } = interfaces[name]
    run(`ip -n ${this.names.client} route replace default via ${subnet}.1 dev ${name} metric ${metric}`)
  }

  /** The client's first interface gets another address instead of the one it had. */
  changeAddress(): void {
    const { client } = this.names
    const { subnet } = interfaces.wifi
    run(`ip -n ${client} addr del ${subnet}.${this.hostNumber}/24 dev wifi`)
    run(`ip -n ${client} addr add ${subnet}.${++this.hostNumber}/24 dev wifi`)
    this.routeBy("wifi")
  }

  /** The client's first interface goes down, and what leads over it with it. */
  takeDown(): void {
    run(`ip -n ${this.names.client} link set wifi down`)
  }

  /** What comes from an address leaves by its interface, and so does what is sent back. */
  routeBySource(): void {
    const { client } = this.names
    for (const [at, [name, { subnet }]] of Object.entries(interfaces).entries()) {
      run(`ip -n ${client} route add default via ${subnet}.1 dev ${name} table ${at + 1}`)
      run(`ip -n ${client} rule add from ${subnet}.0/24 table ${at + 1}`)
    }
  }

  /** The router drops what comes or goes by the client's first interface, and says nothing. */
  silence(): void {
    run(`ip netns exec ${this.names.router} nft -f -`, silent)
  }

  /** The NAT forgets whom it knows: what the client sends next comes from another port. */
  forgetBindings(): void {
    run(`ip netns exec ${this.names.router} conntrack -F`)
  }

  /** The ports of the NAT at which the client is known now. */
  get bindings(): ReadonlyArray<string> {
    const flows = run(`ip netns exec ${this.names.router} conntrack -L -p udp`)
    return [...flows.matchAll(/src=203\.0\.113\.10 \S+ \S+ dport=(\d+)/g)].map(([, port]) => port)
  }

  /** From now on the router swallows packets of more than that many bytes, and says nothing. */
  shrinkMtu(bytes: number): void {
    run(`ip netns exec ${this.names.router} nft -f -`, largerThan(bytes))
  }

  /**
   * The router says for a moment that the ways between both carry so little, as whoever forges ICMP does for good. The
   * system of who sends more remembers it for ten minutes.
   */
  claimMtu(bytes: number): void {
    const { router, server } = this.names
    const routes = [`10.1.0.${this.hostNumber}/32 dev wifi`, `${serverAddress}/32 dev wan`]
    for (const route of routes) run(`ip -n ${router} route add ${route} mtu lock ${bytes}`)
    for (let i = 0; i < 100 && this.believedMtu === undefined; i++) run(`ip netns exec ${server} sleep 0.01`)
    for (const route of routes) run(`ip -n ${router} route del ${route}`)
  }

  /** The MTU that the system of one of both has been told. */
  get believedMtu(): number | undefined {
    const { client, server } = this.names
    const ways = [
      `ip -n ${server} route get 10.1.0.${this.hostNumber}`,
      `ip -n ${client} route get ${serverAddress}`
    ]
    const mtu = /\bmtu (?:lock )?(\d+)/.exec(ways.map((way) => run(way)).join(""))?.[1]
    return mtu === undefined ? undefined : Number(mtu)
  }

  /** How many packets were swallowed. */
  get swallowed(): number {
    const chain = run(`ip netns exec ${this.names.router} nft list chain ip mtu swallow`)
    return Number(/counter packets (\d+)/.exec(chain)?.[1])
  }
}
