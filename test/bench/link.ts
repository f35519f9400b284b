/**
 * A link between two network namespaces that delays, loses and limits the packets of TCP and UDP alike, as real stacks
 * send them: a VXLAN whose tunnel leads through a relay of ours, as not every kernel has netem. Needs root and iproute2.
 *
 *     client  10.98.1.2 ── 10.98.1.1  relay  10.98.2.1 ── 10.98.2.2  server
 *     tunnel  10.99.0.1 ════════════════════════════════ 10.99.0.2
 */
import { type ChildProcess, fork } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CommandFailed, run } from "../netns/commands.ts"
import { namespace, namespaceName, sweep } from "../netns/namespaces.ts"
import type { LinkConditions } from "./linkRelay.ts"
import { heard } from "./sides.ts"

export interface Link {
  /** What puts a program into a namespace. */
  readonly client: ReadonlyArray<string>
  readonly server: ReadonlyArray<string>
  /** The server's address. */
  readonly host: string
  /** From now on. */
  readonly set: (conditions: LinkConditions) => Promise<void>
}

const TUNNEL_MTU = 1500
const VXLAN_PORT = 4789
/** Where a relay in JavaScript keeps up. */
const BITS_PER_SECOND = 300e6

const inside = (name: string): ReadonlyArray<string> => ["ip", "netns", "exec", name]

/** `n` is 1 for the client and 2 for the server. */
const attach = (relay: string, name: string, n: 1 | 2): void => {
  const [side, other] = [n, 3 - n]
  run(`ip -n ${relay} link add side${n} mtu 1600 type veth peer name under mtu 1600 netns ${name}`)
  run(`ip -n ${relay} addr add 10.98.${n}.1/24 dev side${n}`)
  run(`ip -n ${relay} link set side${n} up`)
  run(`ip -n ${name} addr add 10.98.${n}.2/24 dev under`)
  run(`ip -n ${name} link set under up`)
  const tunnel = `id 1 remote 10.98.${n}.1 dstport ${VXLAN_PORT} dev under`
  run(`ip -n ${name} link add tunnel address 02:00:00:00:00:0${side} type vxlan ${tunnel}`)
  // segmentation offload would make the tunnel carry packets larger than its MTU
  run(`ip -n ${name} link set tunnel mtu ${TUNNEL_MTU} gso_max_segs 1 up`)
  run(`ip -n ${name} addr add 10.99.0.${side}/24 dev tunnel`)
  // so that no ARP packet is lost
  run(`ip -n ${name} neigh add 10.99.0.${other} lladdr 02:00:00:00:00:0${other} dev tunnel nud permanent`)
  const burst = "burst 64kb latency 500ms"
  run(`ip netns exec ${name} tc qdisc add dev under root tbf rate ${BITS_PER_SECOND / 1e6}mbit ${burst}`)
}

const relayIn = (name: string): ChildProcess => {
  const [execPath, ...execArgv] = [...inside(name), process.execPath]
  return fork(new URL("linkRelay.ts", import.meta.url), {
    execPath,
    execArgv,
    stdio: ["ignore", "ignore", "inherit", "ipc"]
  })
}

/** Stands until the scope closes. */
export const link: Effect.Effect<Link, never, Scope.Scope> = Effect.gen(function* () {
  sweep()
  const [client, relay, server] = ["client", "relay", "server"].map(namespaceName)
  for (const name of [client, relay, server]) yield* namespace(name)
  yield* Effect.sync(() => {
    attach(relay, client, 1)
    attach(relay, server, 2)
  })
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => relayIn(relay)),
    (child) => Effect.sync(() => child.kill())
  )
  yield* Effect.promise(() => heard(child))
  const set = async (conditions: LinkConditions): Promise<void> => {
    const done = heard(child)
    child.send(conditions)
    await done
  }
  return { client: inside(client), server: inside(server), host: "10.99.0.2", set }
})

/** Runs `use` with a link; says why there can be none. */
export const withLink = (use: (link: Link) => Promise<void>): Promise<void> =>
  Effect.scoped(Effect.flatMap(link, (made) => Effect.promise(() => use(made)))).pipe(
    Effect.catchDefect((error) =>
      error instanceof CommandFailed
        ? Effect.sync(() => console.log(`\nno link between namespaces here: ${error.message}`))
        : Effect.die(error)
    ),
    Effect.runPromise
  )
