"use strict";
// Shows an OpenAPI document. Everything is written as text, never as HTML.

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function resolved(schema, components) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? components[name] : schema || {};
}

// A value that has the shape of a schema.
function example(schema, components, depth = 0) {
  const found = resolved(schema, components);
  const parts = found.allOf || (found.anyOf ? [found.anyOf[0]] : []);
  if (parts.length) {
    const values = parts.map((part) => example(part, components, depth));
    return values.every((value) => value && typeof value === "object") ? Object.assign({}, ...values) : values[0];
  }
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  if (found.type === "array") return depth > 6 ? [] : [example(found.items, components, depth + 1)];
  if (found.properties) {
    const members = Object.entries(found.properties);
    return Object.fromEntries(members.map(([name, inner]) => [name, example(inner, components, depth + 1)]));
  }
  return { string: "", integer: 0, number: 0, boolean: false, null: null }[found.type] ?? {};
}

function table(head, rows) {
  const made = element("table", "", element("tr", "", ...head.map((text) => element("th", text))));
  made.append(...rows.map((row) => element("tr", "", ...row.map((text) => element("td", text)))));
  return made;
}

function form(path, method, operation, components) {
  const made = element("form");
  const fields = operation.parameters.map((parameter) => {
    const input = element("input");
    made.append(element("p", "", element("label", `${parameter.name}${parameter.required ? "" : " (optional)"} `, input)));
    return { ...parameter, input };
  });
  const schema = operation.requestBody && operation.requestBody.content["application/json"].schema;
  const body = schema ? element("textarea") : null;
  if (body) {
    body.value = JSON.stringify({ request: example(schema.properties.request, components) }, null, 2);
    made.append(element("p", "", element("label", "Body", body)));
  }
  const answer = element("pre");
  answer.hidden = true;
  made.append(element("button", "Send"), answer);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const headers = body ? { "content-type": "application/json" } : {};
    const token = document.getElementById("token").value.trim();
    if (token) headers.authorization = `Bearer ${token}`;
    const query = new URLSearchParams();
    let url = path;
    for (const { name, in: place, input } of fields) {
      if (place === "path") url = url.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && place === "query") query.set(name, input.value);
      else if (input.value) headers[name] = input.value;
    }
    answer.hidden = false;
    answer.textContent = "...";
    try {
      const sent = await fetch(query.size ? `${url}?${query}` : url, {
        method: method.toUpperCase(), headers, body: body ? body.value : undefined, credentials: "omit",
      });
      const text = await sent.text();
      const isJson = (sent.headers.get("content-type") || "").startsWith("application/json");
      answer.textContent = `${sent.status}\n${isJson ? JSON.stringify(JSON.parse(text), null, 2) : text.slice(0, 20000)}`;
    } catch (error) {
      answer.textContent = `The request failed: ${error.message}`;
    }
  });
  return made;
}

function shown(path, method, operation, components) {
  const title = element("summary", "", element("code", `${method.toUpperCase()} ${path}`), ` ${operation.summary}`);
  const good = operation.responses["200"].content["application/json"];
  const statuses = Object.entries(operation.responses).map(([status, { description }]) => [status, description]);
  const made = element("details", "", title, element("p", operation.description), element("h4", "Try it"));
  made.append(form(path, method, operation, components));
  if (good) {
    const value = JSON.stringify(example(good.schema, components), null, 2);
    made.append(element("h4", "Answer"), element("pre", value));
  }
  made.append(element("h4", "Statuses"), table(["status", "meaning"], statuses));
  return made;
}

async function main() {
  const place = document.getElementById("operations");
  try {
    const { paths, components, tags } = await (await fetch("/openapi.json", { credentials: "omit" })).json();
    const all = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
    place.textContent = "";
    for (const { name } of tags) {
      const found = all.filter(({ operation }) => operation.tags.includes(name));
      if (found.length) place.append(element("h2", name));
      place.append(...found.map((one) => shown(one.path, one.method, one.operation, components.schemas)));
    }
  } catch (error) {
    place.textContent = `The document could not be read: ${error.message}`;
  }
}

main();
