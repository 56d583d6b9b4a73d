//! The small XHTML pages with which the metadata service says that something is wrong.

use http::StatusCode;

/// The page for a status. It says nothing but the status: words for people go to `brokerctl why`, since
/// AWS clients show no body, and some write it to logs.
pub fn page(status: StatusCode) -> String {
    let title = format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n \
         <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_status() {
        assert!(page(StatusCode::NOT_FOUND).contains("<h1>404 - Not Found</h1>"));
    }
}
