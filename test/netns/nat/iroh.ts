/**
 * A peer by somebody else, npm @number0/iroh: `serve RELAY` echoes one stream of each connection and prints its key; `dial
 * RELAY KEY BYTES` sends so much, takes the echo, and prints how it went.
 */
import { randomBytes } from "node:crypto"
import { EndpointAddr, EndpointId } from "@number0/iroh"
import { askEcho, bind, echo, emit } from "../../interop/programs/iroh.ts"
import { alpn } from "../../nat/peers.ts"
import { giveUp } from "./events.ts"

const [task, relay, key, amount] = process.argv.slice(2)
const protocol = [...Buffer.from(alpn[0])]

const serve = async (): Promise<void> => {
  const endpoint = await bind(relay, { alpn: protocol, address: "0.0.0.0:0" })
  emit({ event: "serving", key: Buffer.from(endpoint.id().toBytes()).toString("hex") })
  for (;;) {
    const incoming = await endpoint.acceptNext()
    if (incoming === null) return
    await echo(await (await incoming.accept()).connect())
  }
}

const dial = async (): Promise<void> => {
  const endpoint = await bind(relay, { alpn: protocol, address: "0.0.0.0:0" })
  const address = new EndpointAddr(EndpointId.fromBytes([...Buffer.from(key, "hex")]), relay)
  const connection = await endpoint.connect(address, protocol)
  const began = connection.paths()
  await askEcho(connection, randomBytes(Number(amount)))
  const paths = connection.paths()
  const sentBy = (isWanted: (path: (typeof paths)[number]) => boolean): number =>
    paths.filter(isWanted).reduce((sum, { stats }) => sum + stats.udpTxBytes, 0)
  emit({
    event: "done",
    wasRelayed: began.some(({ isRelay }) => isRelay),
    isDirect: paths.some(({ isIp, isSelected }) => isIp && isSelected),
    directBytes: sentBy(({ isIp }) => isIp),
    relayedBytes: sentBy(({ isRelay }) => isRelay)
  })
}

const run = task === "serve" ? serve : dial
await run().catch(giveUp)
