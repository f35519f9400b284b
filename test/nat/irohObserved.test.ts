/**
 * npm @number0/iroh takes the address that we observe. Its binding knows Mozilla's roots and takes no others, so it runs from
 * a copy in which the key of one of them, Amazon Root CA 3, is ours.
 */
import { execFile, execFileSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { rootCertificates } from "node:tls"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, describe, expect, it } from "vitest"
import { RelayServer } from "../../layers/node/index.ts"
import { AddressDiscovery, Identity, Trust } from "../../src/index.ts"
import { layerWithoutTrust } from "../io.ts"

const directory = mkdtempSync(join(tmpdir(), "effect-quic-iroh-"))
afterAll(() => rmSync(directory, { recursive: true }))
const at = (name: string): string => join(directory, name)

const openssl = (...args: ReadonlyArray<string>): void => {
  execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] })
}

const key = (name: string): void =>
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", name)

const name = "[dn]\nC=US\nO=Amazon\nCN=Amazon Root CA 3\n"
// the strings of the name have to be of the same types
const request = `[req]\nstring_mask=default\nprompt=no\ndistinguished_name=dn\n${name}`

/** A certificate for loopback, issued by who has the name of that root. */
const issue = (): void => {
  writeFileSync(at("ca.cnf"), request)
  writeFileSync(at("leaf.cnf"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
  key("ca.key")
  openssl("req", "-x509", "-new", "-key", "ca.key", "-config", "ca.cnf", "-out", "ca.pem")
  key("leaf.key")
  openssl("req", "-new", "-key", "leaf.key", "-subj", "/CN=relay", "-out", "leaf.csr")
  const issuer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "leaf.cnf"]
  openssl("x509", "-req", "-in", "leaf.csr", ...issuer, "-out", "leaf.pem")
}

const pointOf = (certificate: X509Certificate): Buffer =>
  certificate.publicKey.export({ format: "der", type: "spki" }).subarray(-65)

/** Where the copy of the binding is. */
const trusting = (): string => {
  const { resolve } = createRequire(import.meta.url)
  const binding = readFileSync(resolve("@number0/iroh-linux-x64-gnu"))
  const root = rootCertificates
    .map((pem) => new X509Certificate(pem))
    .find(({ subject }) => subject.endsWith("CN=Amazon Root CA 3"))
  const place = binding.indexOf(pointOf(root!))
  expect(place).toBeGreaterThan(0)
  pointOf(new X509Certificate(readFileSync(at("ca.pem")))).copy(binding, place)
  writeFileSync(at("iroh.node"), binding)
  return at("iroh.node")
}

const program = fileURLToPath(new URL("../interop/programs/observed.ts", import.meta.url))

const asked = Effect.gen(function* () {
  issue()
  const identity = yield* Identity.fromPem({
    cert: readFileSync(at("leaf.pem"), "utf8"),
    key: readFileSync(at("leaf.key"), "utf8")
  })
  const relay = yield* RelayServer.make({ host: "127.0.0.1", port: 0 })
  const observer = yield* AddressDiscovery.serve({ host: "127.0.0.1", port: 0, identity })
  const args = ["--no-warnings", program, relay.url, String(observer.localAddress.port)]
  const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: trusting() }
  const { stdout } = yield* Effect.promise(() =>
    promisify(execFile)(process.execPath, args, { env, timeout: 50_000 })
  )
  return JSON.parse(stdout) as { readonly bound: Array<string>; readonly addresses: Array<string> }
})

describe.runIf(process.platform === "linux" && process.arch === "x64")("address discovery by iroh", () => {
  it("takes the address that we observe", { timeout: 60_000 }, async () => {
    const layers = Layer.merge(layerWithoutTrust, Trust.layerAnyRawKey)
    const { bound, addresses } = await Effect.runPromise(
      asked.pipe(Effect.scoped, Effect.provide(Layer.orDie(layers)))
    )
    const port = bound[0].split(":").at(-1)
    expect(addresses).toContain(`127.0.0.1:${port}`)
  })
})
