/**
 * `RELAY PORT`: an endpoint of iroh's, which asks that port of the relay for its own address and prints the addresses that it
 * would name to peers, once loopback is among them: nothing but an observer can have told it of that.
 */
import { Endpoint, RelayMap, RelayMode } from "@number0/iroh"
import { alpn, emit } from "./iroh.ts"

const [url, port] = process.argv.slice(2)
const relays = RelayMap.empty()
relays.insert({ url, quicPort: Number(port) })
const builder = Endpoint.builder()
builder.applyMinimal()
builder.relayMode(RelayMode.custom(relays))
builder.alpns([alpn])
builder.bindAddr("0.0.0.0:0")
const endpoint = await builder.bind()
const addresses = () => endpoint.addr().directAddresses()
while (!addresses().some((address) => address.startsWith("127.")))
  await new Promise((resolve) => setTimeout(resolve, 20))
emit({ event: "observed", bound: endpoint.boundSockets(), addresses: addresses() })
process.exit(0)
