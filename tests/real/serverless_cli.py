"""A Serverless CLI in a project's node_modules, as npm lays it out."""


def install(place, programs, project):
    """Puts it there."""
    script = (programs.clients / "serverless.js").read_text()
    place.write(project / "node_modules/serverless/bin/serverless.js", script)
    place.directory(project / "node_modules/.bin")
    link = project / "node_modules/.bin/sls"
    link.symlink_to("../serverless/bin/serverless.js")
    place.person.own(link)


def sls(*words):
    """Its command line."""
    return ["node", "node_modules/.bin/sls", *words]
