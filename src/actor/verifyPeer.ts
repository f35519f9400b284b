/** Asks the `CertificateVerifier` about a peer that has proven its key. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CertificateVerifierShape } from "../capability/CertificateVerifier.ts"
import type { Connection } from "../connection/Connection.ts"
import type { ConnectionEvent } from "../connection/ConnectionEvents.ts"
import { otherRole } from "../wire/Role.ts"
import type { Branch } from "./Branch.ts"

/** internal_error. RFC 8446 §6.2 */
const INTERNAL_ERROR_ALERT = 80

export type Verdict = Parameters<Connection["handleVerdict"]>[0]

export interface VerifyOptions {
  readonly core: Connection
  readonly verifier: CertificateVerifierShape
  readonly request: Extract<ConnectionEvent, { readonly _tag: "verifyPeer" }>["request"]
  readonly parent: Branch
  readonly report: (what: string, cause: Cause.Cause<unknown>) => void
  readonly conclude: (verdict: Verdict) => void
}

/** Runs the verifier in its own fiber; interruption gives no verdict. */
export const verifyPeer = ({ core, verifier, request, parent, report, conclude }: VerifyOptions): Branch => {
  const { role, tls } = core.config
  const judge = verifier.verify({
    peer: request.peer,
    role: otherRole(role),
    serverName: tls!.expectedName
  })
  const judged = Effect.map(Effect.result(judge), (result) =>
    conclude(
      Result.isSuccess(result)
        ? { ok: true }
        : { ok: false, alert: result.failure.alert, reason: result.failure.reason }
    )
  )
  return parent.fork(judged, (cause) => {
    report("the certificate verifier broke", cause)
    // a verifier that dies accepts no peer
    conclude({ ok: false, alert: INTERNAL_ERROR_ALERT, reason: "the certificate verifier failed" })
  })
}
