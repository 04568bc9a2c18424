// The request that a form of the page /docs describes.

// Returns the request of a form, with an API key unless the key is "". An empty field is left out of the request. Throws an
// error if a field cannot be sent.
export function requestOf(form, key, signal) {
  const headers = new Headers();
  const options = { method: form.dataset.method, headers, signal, cache: "no-store" };
  if (key !== "") {
    headers.set("Authorization", `Bearer ${key}`);
    options.credentials = "omit"; // not the session, which the server accepts even with a wrong key
  }
  let path = form.dataset.path.slice(1); // relative, because the service may be below another path
  const query = [];
  for (const field of form.querySelectorAll("[data-in]")) {
    const { name, value } = field;
    switch (field.dataset.in) {
      case "path":
        if (value === "") throw new Error(`${name} must not be empty.`);
        path = path.replace(`{${name}}`, () => encodeURIComponent(value));
        break;
      case "query":
        query.push(...valuesOf(field).map((each) => [name, each]));
        break;
      case "header":
        if (value !== "") headers.set(name, value);
        break;
      case "body":
        headers.set("Content-Type", "application/json");
        options.body = value;
    }
  }
  const url = new URL(path, document.baseURI);
  url.search = new URLSearchParams(query);
  return new Request(url, options);
}

function valuesOf(field) {
  if ("list" in field.dataset) return field.value.split(",").map((text) => text.trim()).filter(Boolean);
  return field.value === "" ? [] : [field.value];
}
