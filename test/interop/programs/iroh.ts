/** What the programs with endpoints of iroh's have in common. */
import { createHash } from "node:crypto"
import { type Connection, Endpoint, RelayMode } from "@number0/iroh"

export const name = "transfer"
export const alpn = [...Buffer.from(name)]
const chunkBytes = 64 * 1024

/** Tells the parent what has happened. */
export const emit = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`)

export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** An endpoint that knows nothing but the relay, and is connected to it. */
export const bind = async (
  relay: string,
  own: { readonly alpn: Array<number>; readonly address: string } = { alpn, address: "127.0.0.1:0" }
): Promise<Endpoint> => {
  const builder = Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(RelayMode.customFromUrls([relay]))
  builder.alpns([own.alpn])
  builder.bindAddr(own.address)
  const endpoint = await builder.bind()
  await endpoint.online()
  return endpoint
}

/** Echoes one stream of a connection, until that is closed. */
export const echo = async (connection: Connection): Promise<void> => {
  const { recv, send } = await connection.acceptBi()
  for (;;) {
    const chunk = await recv.read(chunkBytes)
    if (chunk.length === 0) break
    await send.writeAll(chunk)
  }
  await send.finish()
  await connection.closed()
}

/** Sends `sent` to an echo, and fails unless the same comes back. */
export const askEcho = async (connection: Connection, sent: Uint8Array): Promise<void> => {
  const { recv, send } = await connection.openBi()
  const sending = (async () => {
    for (let at = 0; at < sent.length; at += chunkBytes)
      await send.writeAll([...sent.subarray(at, at + chunkBytes)])
    await send.finish()
  })()
  const received = createHash("sha256")
  for (;;) {
    const chunk = await recv.read(chunkBytes)
    if (chunk.length === 0) break
    received.update(Uint8Array.from(chunk))
  }
  await sending
  if (received.digest("hex") !== digestOf(sent)) throw new Error("the bytes are not those sent")
}
