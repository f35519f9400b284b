/**
 * What the peers that run on Node share: a command line, a line of JSON on stdout for each event.
 *
 * Every peer program speaks the same protocol over its streams. The client opens one bidirectional stream and sends its
 * file; the server sends its own file back at the same time, and ends only after it has seen the client's end. A client
 * that sees the end has therefore delivered everything.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"

export interface Task {
  readonly role: "client" | "server"
  /** Where the client connects to. */
  readonly port: number
  readonly alpn: string
  readonly serverName: string
  /** PEM files: who we are, and whom we trust; a server without `ca` asks clients for nothing. */
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** For raw public keys: our private key and the peer's public one, 32 bytes in hex. */
  readonly secret: string
  readonly peer: string
  /** What to send. */
  readonly file: Uint8Array
}

export const readTask = (): Task => {
  // the parent is gone, and with it the reason to run
  process.stdin.on("end", () => process.exit(1)).resume()
  const text = { type: "string", default: "" } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: text,
      alpn: { type: "string", default: "transfer" },
      "server-name": text,
      cert: text,
      key: text,
      ca: text,
      secret: text,
      peer: text,
      send: text
    }
  })
  const [role] = positionals
  if (role !== "client" && role !== "server") throw new Error("the first argument is client or server")
  return {
    ...values,
    role,
    port: Number(values.port),
    serverName: values["server-name"],
    file: values.send === "" ? new Uint8Array() : readFileSync(values.send)
  }
}

export type ProgramEvent =
  | { readonly event: "listening"; readonly port: number }
  | { readonly event: "received"; readonly bytes: number; readonly sha256: string; readonly millis: number }
  | { readonly event: "failed"; readonly reason: string }

export const emit = (event: ProgramEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

export const fail = (error: unknown): never => {
  emit({ event: "failed", reason: error instanceof Error ? error.message : String(error) })
  process.exit(1)
}
