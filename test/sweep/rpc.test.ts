import { itSweeps } from "./itSweeps.ts"
import { rpcSweeps } from "./rpc.ts"

itSweeps(rpcSweeps)
