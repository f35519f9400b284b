/** The verdict of `openssl verify` on a chain of certificates. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { MutatedChain } from "./mutatedChains.ts"

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString("base64")
    .replace(/(.{64})(?=.)/g, "$1\n")}\n-----END CERTIFICATE-----\n`

export interface OpenSslVerdict {
  readonly accepted: boolean
  /** OpenSSL's output. */
  readonly text: string
}

/**
 * Judges like our verifier: any trusted certificate may end the path, for TLS, at the given time. `shown` replaces the
 * certificates shown, so that some can be left out.
 */
export const opensslVerdict = async (
  { root, role, serverName, at }: MutatedChain,
  shown: ReadonlyArray<Uint8Array>
): Promise<OpenSslVerdict> => {
  const directory = await mkdtemp(join(tmpdir(), "effect-quic-openssl-"))
  try {
    const [leaf, ...others] = shown
    const file = (name: string) => join(directory, name)
    await Promise.all([
      writeFile(file("root"), pem(root)),
      writeFile(file("leaf"), pem(leaf)),
      writeFile(file("others"), others.map(pem).join(""))
    ])
    const isAddress = serverName !== undefined && /^[\d.]+$/.test(serverName)
    return await run([
      ...["verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-CAfile", file("root")],
      ...(others.length > 0 ? ["-untrusted", file("others")] : []),
      ...["-purpose", role === "server" ? "sslserver" : "sslclient", "-attime", `${Math.floor(at / 1000)}`],
      ...(serverName === undefined ? [] : [isAddress ? "-verify_ip" : "-verify_hostname", serverName]),
      file("leaf")
    ])
  } finally {
    await rm(directory, { recursive: true })
  }
}

const run = (args: ReadonlyArray<string>): Promise<OpenSslVerdict> =>
  new Promise((resolve, reject) => {
    execFile("openssl", [...args], (error, stdout, stderr) => {
      // OpenSSL could not be run at all
      if (error !== null && typeof error.code !== "number") reject(error)
      else resolve({ accepted: error === null, text: stdout + stderr })
    })
  })
