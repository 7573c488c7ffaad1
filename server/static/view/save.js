/** Save a file on the device of the user. @param {Blob} file @param {string} name */
export function save(file, name) {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[/\\:*?"<>|]/g, "_"); // not in names of files
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser begins to read it after this task
}
