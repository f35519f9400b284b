/** What these versions of the peers cannot do; others may. */
import type { Role } from "../../src/wire/Role.ts"
import { noMultipath } from "../interop/peers/programs.ts"
import type { ScenarioName } from "./scenarios.ts"

const unmoved = "quic-go 0.29 validates no paths, and answers the address that the client began with"

const stays = "ngtcp2's client connects its socket, which holds on to the address that the client had"

const limits: Readonly<Record<string, Partial<Record<ScenarioName, string>>>> = {
  "ngtcp2 as client": { addresses: stays, "interface down": stays },
  "ngtcp2 as server": {
    "smaller MTU": "ngtcp2 0.12 looks for a larger MTU, and never for a smaller one",
    "false MTU": "ngtcp2 0.12 does not finish once its system believes in an MTU of 600"
  },
  "quic-go as server": {
    addresses: unmoved,
    rebindings: unmoved,
    "interface down": unmoved,
    "smaller MTU": "quic-go 0.29 looks for a larger MTU, and never for a smaller one",
    "false MTU": "quic-go 0.29 does not finish once its system believes in an MTU of 600"
  },
  "quinn as server": { "smaller MTU": "quinn 0.9 sends no more than 1200 bytes, which fit" }
}

/** The reason why that peer in that role cannot take part. */
export const cannot = (peer: string, role: Role, scenario: ScenarioName): string | undefined =>
  scenario === "two paths" ? noMultipath : limits[`${peer} as ${role}`]?.[scenario]
