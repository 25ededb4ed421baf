/** Runs an embedded API server as a process of its own, to be killed. Arguments: its data directory. */
import { startApiServer } from "../../src/apiserver/server.ts";
import { thingDefinition } from "./api-fixture.ts";

const [dataDirectory = ""] = process.argv.slice(2);
const server = await startApiServer({ dataDirectory, port: 0, definitions: [thingDefinition] });
process.send?.({ kubeconfigPath: server.kubeconfigPath });
// Whoever started it is gone: so is the reason to run.
process.once("disconnect", () => process.exit(0));
