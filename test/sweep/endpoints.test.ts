import { endpointSweeps } from "./endpoints.ts"
import { itSweeps } from "./itSweeps.ts"

itSweeps(endpointSweeps)
