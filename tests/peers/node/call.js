// A client made of @grpc/grpc-js and .proto files alone: no generated code, nothing of dagrun's.
//
// Reads {address, proto, folders, service, calls: [{method, requests}]} from standard input and
// writes, for each call, {responses, code, details} to standard output. A call with one request of
// a unary method is made as such; a streaming one sends all its requests at once.
"use strict";

const path = require("node:path");
const modules = path.resolve(process.argv[2]);
const grpc = require(path.join(modules, "@grpc/grpc-js"));
const loader = require(path.join(modules, "@grpc/proto-loader"));

const LOADING = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

function find(tree, name) {
  return name.split(".").reduce((branch, part) => branch[part], tree);
}

function unary(client, method, request) {
  return new Promise((resolve) => {
    client[method](request, { deadline: Date.now() + 20000 }, (error, response) =>
      resolve(error ? failed([], error) : { responses: [response], code: 0, details: "" }),
    );
  });
}

function streaming(client, method, requests) {
  return new Promise((resolve) => {
    const responses = [];
    const stream = client[method]({ deadline: Date.now() + 20000 });
    stream.on("data", (response) => responses.push(response));
    stream.on("error", (error) => resolve(failed(responses, error)));
    stream.on("end", () => resolve({ responses, code: 0, details: "" }));
    requests.forEach((request) => stream.write(request));
    stream.end();
  });
}

function failed(responses, error) {
  return { responses, code: error.code, details: error.details };
}

// JSON has no NaN and no infinity; protobuf's JSON form has them as texts.
function written(_, value) {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

async function main() {
  let text = "";
  for await (const part of process.stdin) text += part;
  const order = JSON.parse(text);
  const loaded = loader.loadSync(order.proto, { ...LOADING, includeDirs: order.folders });
  const Client = find(grpc.loadPackageDefinition(loaded), order.service);
  const client = new Client(order.address, grpc.credentials.createInsecure());
  const results = [];
  for (const { method, requests } of order.calls) {
    const streams = Client.service[method].requestStream;
    results.push(
      streams
        ? await streaming(client, method, requests)
        : await unary(client, method, requests[0]),
    );
  }
  client.close();
  process.stdout.write(JSON.stringify(results, written));
}

main();
