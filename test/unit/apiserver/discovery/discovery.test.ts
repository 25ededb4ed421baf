import { expect } from "chai";
import { acceptedDiscovery, aggregatedDiscovery } from "../../../../src/apiserver/discovery/aggregated-discovery.ts";
import { apiGroup, apiGroups, resourceList } from "../../../../src/apiserver/discovery/discovery.ts";
import { projectDefinitions, resourceDefinition } from "../../../support/resource-definitions.ts";

const secrets = resourceDefinition({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  singular: "secret",
  hasStatus: false,
});
const definitions = [secrets, ...projectDefinitions(), resourceDefinition(), resourceDefinition({ version: "v2" })];

describe("discovery", () => {
  it("should list the groups but the core one, each with its preferred version", () => {
    const { groups } = apiGroups(definitions);
    expect(groups.map((group) => group.name)).to.deep.equal(["vacate.dev", "example.dev"]);
    expect(groups[1]?.preferredVersion).to.deep.equal({ groupVersion: "example.dev/v1", version: "v1" });
    expect(apiGroup("example.dev", definitions)?.versions).to.have.lengthOf(2);
    expect(apiGroup("unknown.dev", definitions)).to.equal(undefined);
  });

  it("should list resources with their short names, categories and status", () => {
    const resources = resourceList("vacate.dev/v1alpha1", definitions)?.resources ?? [];
    expect(resources.map((resource) => resource.name)).to.have.members(
      ["overheadmodels", "reservations", "virtualmachines", "vmhosts"].flatMap((name) => [name, `${name}/status`]),
    );
    expect(resources.find((resource) => resource.name === "reservations")).to.deep.include({
      singularName: "reservation",
      namespaced: true,
      kind: "Reservation",
      shortNames: ["rsv"],
      categories: ["vacate"],
    });
    expect(resourceList("v1", definitions)?.resources).to.have.lengthOf(1);
    expect(resourceList("vacate.dev/v9", definitions)).to.equal(undefined);
  });

  it("should say the same in aggregated form", () => {
    const core = aggregatedDiscovery("/api", definitions, "v2");
    expect(core.items).to.have.lengthOf(1);
    expect(core.items[0]?.metadata).to.not.have.property("name");
    const others = aggregatedDiscovery("/apis", definitions, "v2beta1");
    expect(others.apiVersion).to.equal("apidiscovery.k8s.io/v2beta1");
    expect(others.items.map((item) => item.metadata.name)).to.deep.equal(["vacate.dev", "example.dev"]);
    const host = others.items[0]?.versions[0]?.resources.find((resource) => resource.resource === "vmhosts");
    expect(host).to.deep.include({ scope: "Cluster", singularResource: "vmhost" });
    expect(host?.subresources?.[0]).to.deep.include({ subresource: "status", verbs: ["get", "patch", "update"] });
  });

  const accepts: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ["*/*", undefined],
    ["application/json", undefined],
    ["application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", undefined],
    [
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
      "v2",
    ],
    ["application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", "v2beta1"],
    ["application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json", undefined],
  ];
  for (const [accept, version] of accepts) {
    it(`should answer "${accept}" with ${version ?? "the plain form"}`, () => {
      expect(acceptedDiscovery(accept)).to.equal(version);
    });
  }
});
